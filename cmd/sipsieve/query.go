package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/console"
	"sipsieve/cmd/sipsieve/daemon"
)

// queryFlags are the flags that the daemon is given as they are, with their help.
var queryFlags = [][2]string{
	{"purpose", "print the records of this purpose"},
	{"request", requestHelp},
	{"kind", "call, registration or device (default: every kind)"},
	{"from", "print records that began at this `time` or later, such as 2026-11-01 (UTC)"},
	{"to", "print records that began before this `time`"},
	{"account", "print records with this account_id"},
	{"trunk", "print records with this trunk_in or trunk_out"},
	{"disposition", "print records with this disposition"},
	{"pseudonym", "print records of which a field has this pseudonym, as epoch:text"},
	{"limit", "print this `number` of records at most"},
}

func queryCommand() *cobra.Command {
	var file, format, cursor string
	var byCallID bool
	values := url.Values{}
	flags := map[string]*string{}
	cmd := &cobra.Command{
		Use:   "query --purpose P --request R",
		Short: "print the records of one purpose from the store, for a named request",
		Long: `Query prints the records of one purpose from the store, by their time: through the daemon if one runs, otherwise from
the store itself. The reading is logged in access.log of the state folder, before the first record and after the last:
user id, purpose, request and number of records. If the log cannot be written, no record is read.

With --stored-since it prints what was stored or corrected since an earlier answer, in the order of storing, and at the
end "next CURSOR" on standard error: what the next call is given, with or without the word. --stored-since "" begins with
the first record. A poller that keeps the cursor with what it read misses nothing: records that come late, end late or
are corrected later come with the next call.

With --call-id it reads Call-IDs from standard input, one a line, and prints the records of these calls: those with one
of their pseudonyms, which the keys of this host make for each epoch from --from to --to, without them for the retention
of the purpose before now. A Call-ID may have a person's address, so it is no argument, and in no log.

Exit codes: 0 also without any record; 1 if the access log cannot be written or the answer is not complete, as where a
partition of the store was damaged: what is intact is printed, what is missing is said; 2 for a flag or configuration
that is refused.`,
		Example: `  sipsieve query --purpose billing --request inv-2026-11 --from 2026-11-01 --to 2026-12-01 --format csv
  sipsieve query --purpose billing --request rating --stored-since "$(cat cursor)"
  sipsieve query --purpose billing --request trouble-17 --call-id < call-ids`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for key, value := range flags {
				values.Set(key, *value)
			}
			if cmd.Flags().Changed("stored-since") {
				values.Set("order", "stored")
				values.Set("after", strings.TrimPrefix(cursor, "next "))
			}
			ids := ""
			if byCallID {
				text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), console.MaxCallIDBytes+1))
				if err != nil {
					return refused(fmt.Errorf("call-id: standard input: %w", err))
				}
				ids = string(text) + "\n" // not empty, so that the daemon refuses what has no Call-ID
			}
			return query(cmd, file, format, question{"/query", values, ids})
		},
	}
	configFlag(cmd, &file)
	for _, one := range queryFlags {
		flags[one[0]] = new(string)
		cmd.Flags().StringVar(flags[one[0]], one[0], "", one[1])
	}
	cmd.Flags().StringVar(&cursor, "stored-since", "", "print what was stored or corrected after this `cursor`")
	cmd.Flags().BoolVar(&byCallID, "call-id", false, "print the records of the Call-IDs on standard input, one a line")
	cmd.Flags().StringVar(&format, "format", "jsonl", "output `format`: jsonl, csv or table")
	return cmd
}

func query(cmd *cobra.Command, file, format string, what question) error {
	c, err := config.LoadForReader(file)
	if err != nil {
		return refused(err)
	}
	q, err := console.ParseQuery(what.values.Get)
	if err != nil {
		return refused(err)
	}
	s, err := config.Resolve(c)
	if err != nil {
		return refused(err)
	}
	if err := s.Only(q.Purpose); err != nil {
		return refused(err)
	}
	out, err := newPrinter(format, cmd.OutOrStdout(), s.Purposes)
	if err != nil {
		return refused(err)
	}
	body, err := ask(cmd.Context(), c, what)
	if errors.Is(err, errNoDaemon) {
		return queryStore(cmd, s, what, out)
	}
	if err != nil {
		return asked(err)
	}
	defer body.Close()
	err = readAnswer(body, cmd.ErrOrStderr(), out)
	return incomplete(errors.Join(err, out.flush()))
}

// readAnswer prints what the daemon answers.
func readAnswer(body io.Reader, stderr io.Writer, out *printer) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		text := lines.Text()
		if next, ok := strings.CutPrefix(text, console.NextLine); ok {
			fmt.Fprintln(stderr, "next", next)
		} else if damage, ok := strings.CutPrefix(text, console.DamageLine); ok {
			return errors.New(damage)
		} else {
			out.printBody(lines.Bytes())
		}
	}
	return lines.Err()
}

// incomplete returns err with the exit code of an answer that is not complete.
func incomplete(err error) error {
	if err == nil {
		return nil
	}
	return exit{exitFindings, fmt.Errorf("query: the answer is not complete: %w", err)}
}

// queryStore prints the answer from the store, when no daemon runs.
func queryStore(cmd *cobra.Command, s *config.Setup, what question, out *printer) (err error) {
	values := what.values
	q, err := console.ParseQuery(values.Get)
	if err == nil && what.body != "" {
		err = console.AddCallIDs(s, &q, strings.NewReader(what.body))
	}
	if err != nil {
		return refused(err)
	}
	if s.Store == nil {
		return refused(errors.New("query: this host has no store: [store] is not configured"))
	}
	answer, closing, err := daemon.Reader(s)
	if err != nil {
		return refused(err)
	}
	defer func() { err = errors.Join(err, closing()) }()
	log, err := console.Begin(s.State, console.Access{Verb: "query", UID: os.Getuid(), PID: os.Getpid(), Purpose: q.Purpose,
		Request: values.Get("request"), Kind: q.Kind, From: values.Get("from"), To: values.Get("to")})
	if err != nil {
		return exit{exitFindings, fmt.Errorf("query: %w", err)}
	}
	whole := false
	defer func() { err = errors.Join(err, log.End(whole)) }()
	for item, err := range answer(cmd.Context(), q) {
		switch {
		case err != nil:
			return incomplete(errors.Join(err, out.flush()))
		case item.Body == nil:
			fmt.Fprintln(cmd.ErrOrStderr(), "next", item.Next)
			continue
		}
		out.printBody(item.Body)
		log.Count++
	}
	whole = true
	return out.flush()
}
