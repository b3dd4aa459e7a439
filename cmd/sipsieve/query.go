package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/console"
	"sipsieve/cmd/sipsieve/sheet"
	"sipsieve/store"
)

// queryFlags are the flags that the daemon is given as they are, with their help.
var queryFlags = [][2]string{
	{"purpose", "print the records of this purpose"},
	{"request", requestHelp},
	{"kind", "call, registration or device (default: every kind)"},
	{"from", "print records whose setup_time (registrations, devices: event_time) is at this `time` or later, UTC"},
	{"to", "print records whose setup_time or event_time is before this `time`"},
	{"account", "print records with this account_id"},
	{"trunk", "print records with this trunk_in or trunk_out"},
	{"disposition", "print records with this disposition"},
	{"pseudonym", "print records with this call_id, a pseudonym as records have it"},
	{"limit", "print this `number` of records at most, and where the next answer goes on"},
}

const queryHelp = `Query prints the records of one purpose from the store, by their time: through the daemon if one runs, otherwise from
the store itself. The reading is logged in access.log of the state folder, before the first record and after the last:
user id, purpose, request and number of records. If the log cannot be written, no record is read.

The time of a call is its setup_time, of one without it its first other time; of a registration or a device its
event_time; of a loss its end. A call that began in October and ended in November is of October.

Pages: with --limit the answer ends with "next MARK" on standard error if there may be more; --after MARK goes on behind
it, with the same other flags, and "next" may stand before it.

With --stored-since it prints what was stored or corrected since an earlier answer, in the order of storing, and at the
end "next CURSOR" on standard error: what the next call is given. --stored-since start begins with the first record. A
poller that keeps the cursor with what it read misses nothing: records that come late, end late or are corrected later
come with the next call. An answer that could not be written has no "next": read again from the cursor before.

With --call-id it reads Call-IDs from standard input, one a line, and prints the records of these calls: those with one
of their pseudonyms, which the keys of this host make for each epoch from --from to --to, without them for the retention
of the purpose before now. A Call-ID may have a person's address, so it is no argument, and in no log.

With --purpose ops it prints records about the sensors, which have nothing of a person: proof of what was covered. Their
kinds are sensor_start, sensor_stop, sensor_crash, policy, loss_window and ledger; their time is the end of their span.

Formats: jsonl is the records as they were published. csv is RFC 4180 with a header, its text guarded against formulas;
its profile generic has every column by name in one order, cgrates the billable calls as CGRateS imports them by its
default template of a *file_csv reader. parquet is a file of Apache Parquet with types: times in UTC, whole numbers,
lists, nulls. table is for people.

Exit codes: 0 also without any record; 1 if the access log cannot be written or the answer is not complete, as where a
partition of the store was damaged: what is intact is printed, what is missing is said; 2 for a flag or configuration
that is refused.`

func queryCommand() *cobra.Command {
	var file, stored, after string
	var byCallID bool
	var out sheet.Layout
	flags := map[string]*string{}
	cmd := &cobra.Command{
		Use:   "query --purpose P --request R",
		Short: "print the records of one purpose from the store, for a named request",
		Long:  queryHelp,
		Example: `  sipsieve query --purpose billing --request inv-2026-11 --from 2026-11-01 --to 2026-12-01 --format csv
  sipsieve query --purpose billing --request inv-2026-11 --from 2026-11-01 --to 2026-12-01 --profile cgrates
  sipsieve query --purpose billing --request audit-3 --from 2026-01-01 --format parquet > records.parquet
  sipsieve query --purpose billing --request rating --stored-since "$(cat cursor)"
  sipsieve query --purpose billing --request trouble-17 --limit 1000 --after "$(cat mark)"
  sipsieve query --purpose billing --request trouble-17 --call-id < call-ids
  sipsieve query --purpose ops --request audit-2026 --from 2026-11-01 --to 2026-12-01 --kind loss_window`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			what := question{"/query", values(flags), ""}
			if cmd.Flags().Changed("stored-since") {
				what.values.Set("order", "stored")
				after = stored
			}
			what.values.Set("after", placeIn(after))
			if byCallID {
				text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), console.MaxCallIDBytes+1))
				if err != nil {
					return refused(fmt.Errorf("call-id: standard input: %w", err))
				}
				what.body = string(text) + "\n" // not empty, so that the daemon refuses what has no Call-ID
			}
			return query(cmd, file, out, what)
		},
	}
	configFlag(cmd, &file)
	for _, one := range queryFlags {
		flags[one[0]] = new(string)
		cmd.Flags().StringVar(flags[one[0]], one[0], "", one[1])
	}
	fl := cmd.Flags()
	fl.StringVar(&after, "after", "", "print what comes behind this `mark`, with which an answer of --limit ended")
	fl.StringVar(&stored, "stored-since", "", "print what was stored or corrected after this `cursor`")
	fl.BoolVar(&byCallID, "call-id", false, "print the records of the Call-IDs on standard input, one a line")
	fl.StringVar(&out.Format, "format", "", "output `format`: "+strings.Join(sheet.Formats, ", ")+" (default jsonl)")
	fl.StringVar(&out.Profile, "profile", "", "`profile` of csv: "+strings.Join(sheet.Profiles, ", ")+" (default generic)")
	cmd.MarkFlagsMutuallyExclusive("after", "stored-since")
	return cmd
}

// placeIn returns the mark or cursor of a line that an answer ended with, with or without its first word.
func placeIn(line string) string {
	if line = strings.TrimSpace(line); line == "next" {
		return ""
	}
	return strings.TrimPrefix(line, "next ")
}

// query prints the answer to what.
func query(cmd *cobra.Command, file string, f sheet.Layout, what question) error {
	a := answer{cmd: cmd, verb: "query", file: file, what: what}
	a.open = func(s *config.Setup, _ store.Query) (taker, error) {
		out, err := sheet.New(f, cmd.OutOrStdout(), s.Purposes)
		if err != nil {
			return taker{}, err
		}
		return taker{take: out.Write, close: func() error {
			err := out.Flush()
			out.Note(cmd.ErrOrStderr(), a.verb)
			return err
		}}, nil
	}
	return a.read()
}
