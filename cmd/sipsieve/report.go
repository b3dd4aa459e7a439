package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/plain"
	"sipsieve/cmd/sipsieve/traffic"
	"sipsieve/store"
)

func reportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report",
		Short: "add up the records of one purpose, for a named request",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(trafficCommand())
	return cmd
}

// trafficFlags are the flags that the daemon is given as they are, with their help.
var trafficFlags = [][2]string{
	{"purpose", "add up the calls of this purpose"},
	{"request", requestHelp},
	{"from", "calls whose setup_time is at this `time` or later, such as 2026-11-01 (UTC)"},
	{"to", "calls whose setup_time is before this `time`"},
	{"account", "calls with this account_id"},
	{"trunk", "calls with this trunk_in or trunk_out"},
}

const trafficHelp = `Report traffic adds up the calls of one purpose by trunk, account or hour (UTC, of setup_time), and prints a row for
each. It reads the store as query does, and is logged as a reading is; it keeps the sums alone in memory.

  attempts     calls that have ended and whose INVITE was seen. A call through a B2BUA is one for each leg
  seizures     attempts that did not end with 3xx, 401 or 407, which another INVITE answers (RFC 6076, 4.6)
  answered     seizures that were answered
  asr_percent  answer-seizure ratio: answered of seizures (ITU-T E.411, E.425)
  ner_percent  network effectiveness ratio: of seizures those that were answered, busy, rang without an answer or were
               refused by the terminal (ITU-T E.425). In SIP: 2xx, 480, 486, 600, 603 (RFC 6076, 4.7), 607 (RFC 8197),
               and 408, 487 or no final response if the called terminal rang
  acd_s        average call duration: mean of answer to end of answered calls whose end is known, in seconds
  pdd_ms       post-dial delay: mean of the INVITE to the first response of 101 to 199, in milliseconds;
               of delays in buckets the mean of the middles
  minutes_in   minutes of calls that came in; minutes_out of those that went out: of a trunk by its side, else by the
               field direction (transit is both, internal neither). Time that a second phone of a fork talked is in
               them, and in acd_s

By trunk a call is in two rows: way in of its trunk_in, way out of its trunk_out; none has those of no known trunk.

A figure needs the fields that it is made of, as they are or cut to seconds. What the policy does not keep for the
purpose is left out, and standard error says which field lacks; a figure that --measures names is refused then. The
shipped policy keeps duration and direction for billing, delay and ringing for network_ops.

Exit codes: 0 also without any call; 1 if the access log cannot be written or the answer is not complete; 2 for a flag or
configuration that is refused, and for a field that the purpose does not keep.`

func trafficCommand() *cobra.Command {
	var file, by, format string
	var measures []string
	flags := map[string]*string{}
	cmd := &cobra.Command{
		Use:   "traffic --purpose P --request R --by trunk|account|hour",
		Short: "attempts, ASR, NER, ACD, PDD and minutes by trunk, account or hour",
		Long:  trafficHelp,
		Example: `  sipsieve report traffic --purpose billing --request inv-2026-11 --by account --from 2026-11-01 --to 2026-12-01
  sipsieve report traffic --purpose network_ops --request noc-7 --by trunk --measures attempts,asr,ner,pdd --format csv`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := values(flags)
			v.Set("kind", "call")
			a := answer{cmd: cmd, verb: "report", file: file, what: question{"/report", v, ""}}
			a.open = func(s *config.Setup, _ store.Query) (taker, error) {
				if !slices.Contains([]string{"table", "csv", "jsonl"}, format) {
					return taker{}, errors.New("format: want table, csv or jsonl")
				}
				r, missing, err := traffic.New(by, s.Purposes[0], measures)
				if err != nil {
					return taker{}, err
				}
				return taker{take: r.Add, close: func() error { return printReport(cmd, r, format, missing) }}, nil
			}
			return a.read()
		},
	}
	configFlag(cmd, &file)
	for _, one := range trafficFlags {
		flags[one[0]] = new(string)
		cmd.Flags().StringVar(flags[one[0]], one[0], "", one[1])
	}
	cmd.Flags().StringVar(&by, "by", "", "group calls by trunk, account or hour")
	cmd.Flags().StringSliceVar(&measures, "measures", nil,
		"print these `figures` only: "+strings.Join(traffic.Measures(), ","))
	cmd.Flags().StringVar(&format, "format", "table", "output `format`: table, csv or jsonl")
	return cmd
}

// printReport prints the rows of r, and to standard error what is not in them.
func printReport(cmd *cobra.Command, r *traffic.Report, format string, missing []string) error {
	for _, one := range missing {
		fmt.Fprintln(cmd.ErrOrStderr(), "report:", one)
	}
	for _, one := range []struct {
		count int
		what  string
	}{{r.Open, "calls have not ended: they are in no row"},
		{r.Unseen, "calls have no setup_time, their INVITE was not seen: they are in no row"},
		{r.Undirected, "calls have no direction, which [[trunk]] gives them: their minutes are neither in nor out"}} {
		if one.count > 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "report: %d %s\n", one.count, one.what)
		}
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	write := map[string]func(io.Writer, *traffic.Report) error{"table": reportTable, "csv": reportCSV, "jsonl": reportLines}
	return errors.Join(write[format](out, r), out.Flush())
}

// reportTable writes text in columns.
func reportTable(out io.Writer, r *traffic.Report) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, row := range append([][]string{r.Header()}, texts(r)...) {
		line := strings.Join(row, "\t")
		if i == 0 {
			line = strings.ToUpper(line)
		}
		_, _ = io.WriteString(w, line+"\n")
	}
	return w.Flush()
}

// reportCSV writes RFC 4180 with a header.
func reportCSV(out io.Writer, r *traffic.Report) error {
	return csv.NewWriter(out).WriteAll(append([][]string{r.Header()}, texts(r)...))
}

// reportLines writes one JSON object a row, its keys in the order of the columns.
func reportLines(out io.Writer, r *traffic.Report) error {
	head := r.Header()
	for _, row := range r.Rows() {
		line := []byte{'{'}
		for i, value := range row {
			text, err := json.Marshal(value)
			if err != nil {
				return err
			}
			if i > 0 {
				line = append(line, ',')
			}
			line = append(strconv.AppendQuote(line, head[i]), ':')
			line = append(line, text...)
		}
		if _, err := out.Write(append(line, "}\n"...)); err != nil {
			return err
		}
	}
	return nil
}

// texts returns the rows as cells of a table.
func texts(r *traffic.Report) (rows [][]string) {
	for _, row := range r.Rows() {
		cells := make([]string, len(row))
		for i, value := range row {
			switch v := value.(type) {
			case nil:
			case string:
				cells[i] = plain.Neutral(v)
			case float64:
				cells[i] = strconv.FormatFloat(v, 'f', -1, 64)
			default:
				cells[i] = fmt.Sprint(v)
			}
		}
		rows = append(rows, cells)
	}
	return rows
}
