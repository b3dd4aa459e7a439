package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones of SBCs, on hosts that have none

	"github.com/spf13/cobra"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/console"
	"sipsieve/cmd/sipsieve/plain"
	"sipsieve/cmd/sipsieve/reconcile"
	"sipsieve/store"
	"sipsieve/store/policy"
)

// A reconciling is what the flags of reconcile say.
type reconciling struct {
	file, purpose, request, from, to string // of the configuration and the store
	sbc                              []string
	profile, columns                 string
	zone, layout, calls, format      string
	tolerance, within                time.Duration
}

const reconcileHelp = `Reconcile compares the calls of an SBC's own records (CDRs) with those of the store: which calls one side has and the other
has not, and which differ in outcome, duration, code or number, each with its reason. The totals come first, then a line
for each difference.

Profiles:
  kamailio  the modules acc and dialog: lines of syslog (transactions, and CDRs of cdr_log_enable with call_id in cdr_extra),
            or the tables acc, acc_cdrs and cdrs as a database exports them
  opensips  the module acc with the flag cdr: lines of syslog, or the table acc
  generic   a table with a row for each call and a header. --columns names its columns where they are not the usual ones:
            --columns 'call_id=Session-Id,duration=Talk:1ms'. #N is the Nth column, for a file without a header, and + joins
            a date and a time: --columns 'record=#1:STOP,setup=#6+#7,duration=#14:10ms,caller=#20,called=#21'
            (Ribbon ACT). FIELD is one of call_id, setup, answer, end, time, duration, code, method, caller, called,
            record; a duration has its unit behind a colon, record the words of the rows that are calls.
A table has , ; | or tabs between its columns and one line for each row. A line that cannot be read is counted and named by
its number.

Calls are matched by Call-ID: the store has its pseudonym, which the keys of this host make of the SBC's. What is left is
matched by the called number, the caller's number, the outcome and the time, as far as the purpose keeps them (--within). A
call counts if it began in the window; one at its border is matched beyond it and is no difference. An SBC that records no failed
call is compared with answered calls only.

Reasons: sensor_down, restart_gap and loss_window come from the records of OPS, which also show not_covered; expired from
the retention; end_not_seen, begin_not_seen and other words from the record itself; else unexplained.

Memory: 72 bytes for each row within the window, 20 million at most, and nothing on disk. The report has Call-IDs, from the
SBC's file: treat it like that file. The reading is logged in access.log of the state folder, as of query.

Exit codes: 0 if both sides are equal; 1 if they differ or a line of the SBC's cannot be read, and if there is no
comparison or it is not complete: standard error has why; 2 for a flag, a file or a configuration that is refused.`

func reconcileCommand() *cobra.Command {
	var r reconciling
	cmd := &cobra.Command{
		Use:   "reconcile --sbc FILE --profile kamailio|opensips|generic --request R",
		Short: "compare an SBC's own records with the calls of the store",
		Long:  reconcileHelp,
		Example: `  sipsieve reconcile --sbc acc.log --profile kamailio --request inv-2026-11 --from 2026-11-01 --to 2026-12-01
  sipsieve reconcile --sbc acc.csv --profile opensips --timezone Europe/Berlin --request inv-2026-11 --format csv
  zcat cdr.csv.gz | sipsieve reconcile --sbc - --profile generic --columns call_id=Session-Id --request inv-2026-11`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return r.run(cmd) },
	}
	configFlag(cmd, &r.file)
	f := cmd.Flags()
	f.StringArrayVar(&r.sbc, "sbc", nil, "`file` of the SBC's records, - for standard input; may be given several times")
	f.StringVar(&r.profile, "profile", "", "form of the SBC's records: "+strings.Join(reconcile.ProfileNames(), ", "))
	f.StringVar(&r.columns, "columns", "", "`list` of FIELD=NAME: the columns of the SBC's records")
	f.StringVar(&r.purpose, "purpose", "billing", "compare with the records of this purpose")
	f.StringVar(&r.request, "request", "", requestHelp)
	f.StringVar(&r.from, "from", "", "compare calls that began at this `time` or later, UTC (default: the first of the SBC's)")
	f.StringVar(&r.to, "to", "", "compare calls that began before this `time` (default: the last of the SBC's)")
	f.StringVar(&r.calls, "calls", "", "compare all or answered calls (default: answered if the SBC has no other)")
	f.DurationVar(&r.tolerance, "tolerance", 0, "durations that differ by this `time` are equal (default 1.5s: cut to seconds)")
	f.DurationVar(&r.within, "within", 5*time.Second, "match by numbers what began within this `time`")
	f.StringVar(&r.zone, "timezone", "UTC", "`zone` of the SBC's times that name none, such as Europe/Berlin")
	f.StringVar(&r.layout, "time-format", "", "how the SBC writes 2 January 2006, 15:04:05, such as '02/01/2006 15:04:05'")
	f.StringVar(&r.format, "format", "text", "output `format`: "+strings.Join(reconcile.Formats(), ", "))
	_ = cmd.MarkFlagRequired("sbc")
	_ = cmd.MarkFlagRequired("profile")
	return cmd
}

// run compares and prints.
func (r *reconciling) run(cmd *cobra.Command) error {
	c, err := config.LoadForReader(r.file)
	if err != nil {
		return refused(err)
	}
	s, err := config.Resolve(c)
	if err == nil {
		err = s.Only(r.purpose)
	}
	if err != nil {
		return refused(err)
	}
	settings, err := r.settings(s)
	if err != nil {
		return refused(err)
	}
	if settings.Name == nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "reconcile: calls are matched by numbers and time only: this host has no [keys] of the fleet, or "+
			"the purpose keeps no pseudonym of Call-IDs")
	}
	both := reconcile.New(settings)
	files, closing, err := r.read(cmd.InOrStdin(), both)
	if err == nil {
		defer closing()
		err = both.Close()
	}
	if err != nil {
		return refused(err)
	}
	missing := r.compare(cmd, s, both)
	if missing != nil && !isDamage(missing) {
		return missing
	}
	report := both.Report()
	report.Complete = missing == nil
	if err := report.Write(cmd.OutOrStdout(), r.format, report.Differences(files), plain.Neutral); err != nil {
		return exit{exitFindings, fmt.Errorf("reconcile: %w", err)}
	}
	if missing == nil && !report.Same() {
		return findings()
	}
	return missing
}

// isDamage reports whether an answer has all records that are intact, and lacks those of a damaged partition.
func isDamage(err error) bool {
	var of store.DamageError
	var said damaged
	return errors.As(err, &of) || errors.As(err, &said)
}

// settings returns how calls are compared. An error is one of a flag.
func (r *reconciling) settings(s *config.Setup) (settings reconcile.Settings, err error) {
	values := url.Values{"purpose": {r.purpose}, "request": {r.request}, "from": {r.from}, "to": {r.to}}
	q, err := console.ParseQuery(values.Get)
	if err != nil {
		return settings, err
	}
	settings.From, settings.To, settings.Within, settings.Calls = q.From, q.To, r.within, r.calls
	if settings.Profile, err = reconcile.NewProfile(r.profile, r.columns); err != nil {
		return settings, err
	}
	settings.Profile.Layout = r.layout
	if settings.Zone, err = time.LoadLocation(r.zone); err != nil {
		return settings, errors.New("timezone: want a zone such as UTC or Europe/Berlin")
	}
	switch {
	case r.calls != "" && r.calls != reconcile.CallsAll && r.calls != reconcile.CallsAnswered:
		return settings, errors.New("calls: want all or answered")
	case !slices.Contains(reconcile.Formats(), r.format):
		return settings, errors.New("format: want " + strings.Join(reconcile.Formats(), ", "))
	case r.tolerance < 0 || r.within < 0:
		return settings, errors.New("tolerance, within: want no time below 0")
	}
	if settings.Tolerance = r.tolerance; r.tolerance == 0 {
		settings.Tolerance = settings.Profile.Tolerance
	}
	return settings, r.keeps(s, &settings)
}

// keeps sets what the records of the purpose have.
func (r *reconciling) keeps(s *config.Setup, settings *reconcile.Settings) error {
	p, _ := s.Policy.Purpose(r.purpose)
	cut, ok := p.Precision("setup_time")
	if !ok {
		return fmt.Errorf("purpose: %s keeps no setup_time, so that its calls cannot be compared", r.purpose)
	}
	settings.Within += cut
	_, settings.Caller = p.Precision("caller_number")
	_, settings.Called = p.Precision("called_number")
	_, settings.Code = p.Precision("sip_code")
	settings.Grain, settings.Talk = p.Precision("duration_ms")
	if !p.FromReceipt {
		settings.Expired = expiredBefore(p, time.Now())
	}
	if s.Keys != (config.Keys{}) || s.Collects() {
		settings.Name = pseudonyms(p, s)
	}
	if settings.Name == nil && !settings.Called {
		return fmt.Errorf("purpose: neither Call-IDs nor called numbers of the records of %s can be compared on this host", r.purpose)
	}
	return nil
}

// expiredBefore returns before when calls began whose records have expired.
func expiredBefore(p *policy.Purpose, now time.Time) time.Time {
	return now.AddDate(-p.Retain.Years, -p.Retain.Months, -p.Retain.Days).Add(-time.Duration(p.Retain.Hours) * time.Hour)
}

// pseudonyms returns what makes the pseudonym of a Call-ID; nil if records have none.
func pseudonyms(p *policy.Purpose, s *config.Setup) func(string, time.Time) string {
	keys := s.Vault.Purpose(p.Name, p.Epoch)
	if len(p.CallIDs(keys, "x", time.Now(), time.Now())) == 0 {
		return nil
	}
	return func(id string, t time.Time) string {
		if names := p.CallIDs(keys, id, t, t); len(names) > 0 {
			return names[0]
		}
		return ""
	}
}

// read reads the SBC's files, and returns them to be read again; nil for one that cannot be.
func (r *reconciling) read(stdin io.Reader, both *reconcile.Comparison) (again []io.ReaderAt, closing func(), err error) {
	var open []*os.File
	closing = func() {
		for _, f := range open {
			_ = f.Close()
		}
	}
	for _, name := range r.sbc {
		if name == "-" {
			again = append(again, nil)
			if err := both.Read(stdin, 0); err != nil {
				return nil, closing, err
			}
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			return nil, closing, fmt.Errorf("sbc: %w", err)
		}
		open = append(open, f)
		info, err := f.Stat()
		if err != nil {
			return nil, closing, fmt.Errorf("sbc: %w", err)
		}
		if again = append(again, f); !info.Mode().IsRegular() {
			again[len(again)-1] = nil
		}
		if err := both.Read(f, info.Size()); err != nil {
			return nil, closing, err
		}
	}
	return again, closing, nil
}

// compare reads the records of the window, and those of OPS.
func (r *reconciling) compare(cmd *cobra.Command, s *config.Setup, both *reconcile.Comparison) error {
	from, to := both.Window()
	from, to = from.Add(-reconcile.Margin), to.Add(reconcile.Margin)
	values := url.Values{"purpose": {r.purpose}, "request": {r.request}, "kind": {"call"},
		"from": {from.Format(time.RFC3339)}, "to": {to.Format(time.RFC3339)}}
	missing := r.each(cmd, s, values, both.Add)
	if missing != nil && !isDamage(missing) {
		return missing
	}
	cover := reconcile.NewCoverage(r.purpose)
	values = url.Values{"purpose": {store.Ops}, "request": {r.request}, "from": {from.Format(time.RFC3339)}}
	err := r.each(cmd, s, values, func(body []byte) error {
		one, err := store.ReadOps(body)
		if err == nil && one.From.Before(to) {
			cover.Add(&one)
		}
		return err
	})
	both.Explain(cover.Gaps(from, to))
	return cmp.Or(missing, err)
}

// each gives take every record that a query selects.
func (r *reconciling) each(cmd *cobra.Command, s *config.Setup, values url.Values, take func([]byte) error) error {
	q, err := console.ParseQuery(values.Get)
	if err != nil {
		return refused(err)
	}
	var wrong error
	open := func(*config.Setup, store.Query) (taker, error) {
		return taker{func(body []byte) {
			if wrong == nil {
				wrong = take(body)
			}
		}, func() error { return wrong }}, nil
	}
	a := answer{cmd: cmd, verb: "reconcile", what: question{"/reconcile", values, ""}, open: open}
	return a.readFrom(s, q)
}
