package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sipsieve/cmd/sipsieve/sheet"
	"sipsieve/store/policy"
)

// replayedBodies returns the excerpts of a purpose of a corpus of so many calls, one JSON each.
func replayedBodies(t *testing.T, calls int, purpose string) (bodies [][]byte) {
	t.Helper()
	s := newSite(t, calls)
	var stdout, stderr bytes.Buffer
	args := []string{"replay", "--demo-keys", "--purpose", purpose, s.capture}
	if code := execute(t.Context(), args, &stdout, &stderr); code != exitFine {
		t.Fatalf("exit code = %d: %s", code, stderr.String())
	}
	for line := range bytes.Lines(stdout.Bytes()) {
		bodies = append(bodies, bytes.Clone(bytes.TrimSpace(line)))
	}
	if len(bodies) == 0 {
		t.Fatal("no excerpts: the test shows nothing")
	}
	return bodies
}

// purposeOf returns a purpose of the shipped policy.
func purposeOf(t *testing.T, name string) []*policy.Purpose {
	t.Helper()
	s := demoSetup(t, "")
	if err := s.Only(name); err != nil {
		t.Fatal(err)
	}
	return s.Purposes
}

// printed returns what a layout makes of bodies, and its notes.
func printed(t *testing.T, f sheet.Layout, purposes []*policy.Purpose, bodies ...[]byte) (text string, notes []string) {
	t.Helper()
	var out bytes.Buffer
	p, err := sheet.New(f, &out, purposes)
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range bodies {
		p.Write(body)
	}
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String(), p.Notes()
}

const (
	lossBody = `{"schema":"sipsieve.loss/1","kind":"loss","stage":"stop","id":"x","revision":1,"status":"complete","missing":[],` +
		`"completeness":100,"purpose":"billing","policy":"p","class":"cpni","expires":"2028-05-24","site":"s","sensor":"t",` +
		`"source":"file","from":"2026-11-23T13:42:00Z","to":"2026-11-23T13:43:00Z","count":3,"reason":"stream_full"}`
	halfBody = `{"kind":"call","id":"h","dialog":"d","blind_clock":17,"blind_side":1,"duration_ms":null}`
)

// TestCSVHasAColumnForEveryKey compares each value of each excerpt with its cell, of calls and of a loss.
func TestCSVHasAColumnForEveryKey(t *testing.T) {
	t.Parallel()
	for _, purpose := range []string{"billing", "fraud", "network_ops"} {
		bodies := append(replayedBodies(t, 30, purpose), []byte(lossBody), []byte(halfBody))
		text, notes := printed(t, sheet.Layout{Format: "csv"}, purposeOf(t, purpose), bodies...)
		if len(notes) > 0 && purpose == "billing" {
			t.Errorf("%s: notes = %q, want none", purpose, notes)
		}
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil || len(rows) != len(bodies)+1 {
			t.Fatalf("%s: %d rows of %d records, %v", purpose, len(rows), len(bodies), err)
		}
		column := map[string]int{}
		for i, name := range rows[0] {
			column[name] = i
		}
		for i, body := range bodies {
			for key, raw := range sheet.ReadRow(body) {
				if at, known := column[key]; strings.HasPrefix(key, "blind_") {
					continue
				} else if !known || rows[i+1][at] != sheet.Cell(raw) {
					t.Errorf("%s: no column has %s of %s", purpose, key, body)
				}
			}
		}
	}
}

// TestAFieldWithoutAColumnIsSaid has a record of an older policy, which kept more.
func TestAFieldWithoutAColumnIsSaid(t *testing.T) {
	text, notes := printed(t, sheet.Layout{Format: "csv"}, purposeOf(t, "billing"), []byte(`{"kind":"call","stir_attestation":"A"}`))
	if len(notes) != 1 || !strings.Contains(notes[0], "1 records have stir_attestation") || strings.Contains(text, "stir") {
		t.Errorf("notes = %q of %q, want one of stir_attestation", notes, text)
	}
}

// TestATableHasAHeaderForEachBlock has more rows than a block, of which the last alone have a value in one column.
func TestATableHasAHeaderForEachBlock(t *testing.T) {
	var bodies [][]byte
	for i := range sheet.TableBlock + 2 {
		text := `{"purpose":"billing","kind":"call"}`
		if i >= sheet.TableBlock {
			text = `{"purpose":"billing","kind":"call","trunk_in":"a"}`
		}
		bodies = append(bodies, []byte(text))
	}
	text, _ := printed(t, sheet.Layout{Format: "table"}, purposeOf(t, "billing"), bodies...)
	lines := strings.Split(text, "\n")
	if lines[0] != "PURPOSE  KIND" || lines[sheet.TableBlock+1] != "" || lines[sheet.TableBlock+2] != "PURPOSE  KIND  TRUNK_IN" ||
		lines[sheet.TableBlock+4] != "billing  call  a" || len(lines) != sheet.TableBlock+6 {
		t.Errorf("%d lines: %q, then %q", len(lines), lines[0], lines[sheet.TableBlock+1:])
	}
}

// rating is a billable call as billing keeps it.
const rating = `{"kind":"call","id":"eql7","revision":2,"setup_time":"2026-11-23T13:42:04Z","answer_time":"2026-11-23T13:42:09Z",` +
	`"duration_ms":101679,"account_id":"acme","dialed_number":"+12025550100","called_number":"+12025550199","billable":true,` +
	`"q850_cause":16,"trunk_in":"carrier-a"}`

// imported reads a file as CGRateS does with its default fields template: engine of June 2026 (branch master, commit
// 19463bd), ers/filecsv.go, config/slicedp.go, utils.FmtFieldWidth, utils.ParseTimeDetectLayout and
// utils.ParseDurationWithNanosecs. The module proxy does not serve github.com/cgrates/cgrates, so this is its contract
// as recorded, not its code.
func imported(t *testing.T, text string) (events []map[string]string) {
	t.Helper()
	template := map[string]int{"ToR": 2, "OriginID": 3, "RequestType": 4, "Tenant": 6, "Category": 7, "Account": 8, "Subject": 9,
		"Destination": 10, "SetupTime": 11, "AnswerTime": 12, "Usage": 13} // config_defaults.go: ers, readers, *default
	r := csv.NewReader(strings.NewReader(text))
	r.Comment = '#'
	for first := true; ; first = false {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return events
		}
		if err != nil {
			t.Fatal(err)
		}
		if first {
			if !strings.HasPrefix(row[0], ":") { // csvHeaderDefineChar
				t.Fatalf("the header begins with %q, want a colon: it would be read as a call", row[0])
			}
			for name, at := range template {
				if row[at] != name {
					t.Errorf("column %d = %s, want %s", at, row[at], name)
				}
			}
			continue
		}
		event := map[string]string{}
		for name, at := range template {
			if event[name] = row[at]; row[at] == "" { // each is mandatory
				t.Fatalf("%s is empty: the import of the file stops", name)
			}
		}
		events = append(events, event)
		for _, name := range []string{"SetupTime", "AnswerTime"} {
			rule := regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}.+$`)
			if _, err := time.Parse(time.RFC3339, event[name]); err != nil || !rule.MatchString(event[name]) {
				t.Errorf("%s = %s, want a time in RFC 3339", name, event[name])
			}
		}
		usage := event["Usage"]
		if _, err := strconv.ParseFloat(usage, 64); err == nil {
			usage += "ns"
		}
		d, err := time.ParseDuration(usage)
		if err != nil {
			t.Error(err)
		}
		event["Usage"] = d.String()
	}
}

// TestCGRateSImportsBillableCallsOnly has a billable call, one that lacks its account, one that was not answered, and a
// loss.
func TestCGRateSImportsBillableCallsOnly(t *testing.T) {
	bodies := [][]byte{[]byte(rating), []byte(strings.Replace(rating, `"acme"`, "null", 1)),
		[]byte(strings.Replace(rating, `"billable":true`, `"billable":false`, 1)), []byte(lossBody),
		[]byte(strings.Replace(strings.Replace(rating, `"+12025550100"`, "null", 1), "eql7", "zwo2", 1))}
	text, notes := printed(t, sheet.Layout{Profile: "cgrates"}, purposeOf(t, "billing"), bodies...)
	events := imported(t, text)
	want := map[string]string{"ToR": "*voice", "OriginID": "eql7", "RequestType": "*rated", "Tenant": "cgrates.org",
		"Category": "call", "Account": "acme", "Subject": "acme", "Destination": "+12025550100",
		"SetupTime": "2026-11-23T13:42:04Z", "AnswerTime": "2026-11-23T13:42:09Z", "Usage": "1m41.679s"}
	if len(events) != 2 {
		t.Fatalf("%d events, want 2: %s", len(events), text)
	}
	for name, value := range want {
		if events[0][name] != value {
			t.Errorf("%s = %s, want %s", name, events[0][name], value)
		}
	}
	if events[1]["Destination"] != "+12025550199" {
		t.Errorf("without dialed_number: Destination = %s, want called_number", events[1]["Destination"])
	}
	if strings.Count(text, ",101679ms,sipsieve,sipsieve,") != 2 {
		t.Errorf("Usage, OriginHost, Source of %s, want 101679ms and constants", text)
	}
	if len(notes) != 2 || !strings.HasPrefix(notes[0], "2 records are not billable") ||
		!strings.HasPrefix(notes[1], "1 billable calls without account_id were left out") {
		t.Errorf("notes = %q, want what was left out", notes)
	}
}

// TestCGRateSNeedsWhatARatingNeeds asks purposes that keep too little, or keep it too coarsely.
func TestCGRateSNeedsWhatARatingNeeds(t *testing.T) {
	for purpose, want := range map[string]string{"fraud": "the purpose fraud does not keep billable",
		"network_ops": "the purpose network_ops does not keep billable"} {
		_, err := sheet.New(sheet.Layout{Profile: "cgrates"}, io.Discard, purposeOf(t, purpose))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error = %v, want %s", purpose, err, want)
		}
	}
}

// answering is a configuration whose daemon answers every query with so many records, and with next at the end; if
// count is negative, it breaks off.
func answering(t *testing.T, bodies [][]byte, count int) (configuration string) {
	t.Helper()
	s := newSite(t, 1)
	s.configure(t, 0)
	state := filepath.Join(s.dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(state, "sipsieve.sock"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if count < 0 {
			panic(http.ErrAbortHandler)
		}
		for i := range count {
			if _, err := fmt.Fprintf(w, "%s\n", bodies[i%len(bodies)]); err != nil {
				return
			}
		}
		_, _ = fmt.Fprintln(w, "#next sbc1:1.9")
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return s.config
}

// asks runs a verb with a configuration, and returns the most memory that the process had, in MiB.
func asks(t *testing.T, configuration, verb string, args ...string) (mib int64) {
	t.Helper()
	cmd := exec.Command(binary(t), append(append(strings.Fields(verb), "--config", configuration, "--purpose", "billing",
		"--request", "memory-1"), args...)...)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &stderr
	cmd.Env = append(os.Environ(), "GOGC=50")
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, stderr.String())
	}
	return cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10
}

// TestAnAnswerTakesConstantMemory compares the memory of a short answer with that of a long one, of a report and in every
// format; of parquet, which holds one row group, in the full run only.
func TestAnAnswerTakesConstantMemory(t *testing.T) {
	t.Parallel()
	verbs := map[string][]string{"report traffic": {"--by", "hour"}}
	few, many := 2000, 15000
	if os.Getenv("SIPSIEVE_FULL") != "" {
		few, many = 12000, 60000 // more than a row group
		verbs["query parquet"] = []string{"--format", "parquet"}
	}
	for _, format := range []string{"jsonl", "csv", "table"} {
		verbs["query "+format] = []string{"--format", format}
	}
	bodies := replayedBodies(t, 30, "billing")
	size := 0
	for i := range many - few {
		size += len(bodies[i%len(bodies)])
	}
	short, long := answering(t, bodies, few), answering(t, bodies, many)
	for name, args := range verbs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verb := strings.TrimSuffix(name, " "+args[1])
			less, more := asks(t, short, verb, args...), asks(t, long, verb, args...)
			t.Logf("%d MiB for %d, %d MiB for %d records", less, few, more, many)
			if limit := int64(size >> 21); more-less > limit {
				t.Errorf("%d MiB for %d records, %d MiB for %d: want %d MiB more at most, half of the further records",
					less, few, more, many, limit)
			}
		})
	}
}

// TestAnAnswerShowsItsProgress has standard error on a terminal, with the size of the answer known by a limit, by a
// time, or not known.
func TestAnAnswerShowsItsProgress(t *testing.T) {
	t.Parallel()
	configuration := answering(t, replayedBodies(t, 30, "billing"), 300)
	for name, c := range map[string]struct {
		args   []string
		stdout bool
		want   string
	}{
		"limit": {args: []string{"--limit", "300"}, want: "%"}, "time": {args: []string{"--from", "2026-01-01", "--to", "2026-02-01"}, want: "%"},
		"neither": {want: "next sbc1:1.9"}, "both": {args: []string{"--limit", "300"}, stdout: true},
	} {
		tty, written := terminal(t)
		cmd := exec.Command(binary(t), append([]string{"query", "--config", configuration, "--purpose", "billing", "--request", "t-1"}, c.args...)...)
		var stdout bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, tty
		if c.stdout {
			cmd.Stdout = tty
		}
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		text := written()
		if !strings.Contains(text, c.want) || c.want != "%" && strings.Contains(text, "%") {
			t.Errorf("%s: standard error = %q, want %q in it", name, text, c.want)
		}
		if strings.Contains(stdout.String(), "%") || !c.stdout && strings.Count(stdout.String(), "\n") != 300 {
			t.Errorf("%s: standard output has something else than 300 records", name)
		}
	}
}

// TestTheBarIsAtTheTimeOfTheRecord notes records of a day in the middle of the bounds.
func TestTheBarIsAtTheTimeOfTheRecord(t *testing.T) {
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	b := answerBar{from: from.Unix(), to: from.AddDate(0, 0, 30).Unix()}
	for range sampled {
		b.note([]byte(`{"kind":"call","setup_time":"2026-11-11T00:00:00Z"}`))
	}
	if got, want := b.reached.Load(), int64(10*24*3600); got != want {
		t.Errorf("reached = %d s, want %d s", got, want)
	}
	var row map[string]json.RawMessage
	if json.Unmarshal([]byte(halfBody), &row) != nil {
		t.Fatal("the half is no JSON")
	}
	for range sampled {
		b.note([]byte(halfBody))
	}
	if got := b.count.Load(); got != 2*sampled {
		t.Errorf("count = %d, want %d", got, 2*sampled)
	}
}

// TestAnAnswerThatCannotBeWrittenHasNoNext writes the answer to a full disk: a poller that kept the cursor would miss it.
func TestAnAnswerThatCannotBeWrittenHasNoNext(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	configuration := answering(t, replayedBodies(t, 30, "billing"), 300)
	for _, format := range []string{"jsonl", "csv", "table", "parquet"} {
		cmd := exec.Command(binary(t), "query", "--config", configuration, "--purpose", "billing", "--request", "t-1", "--format", format)
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = full, &stderr
		if err := cmd.Run(); err == nil || !strings.Contains(stderr.String(), "not complete") || strings.Contains(stderr.String(), "next ") {
			t.Errorf("%s: %v, standard error = %q, want an answer that is not complete and no next", format, err, stderr.String())
		}
	}
}

// TestADaemonThatBreaksOffMayAnswerLater expects the exit code of a failure that may pass, and no question in its line.
func TestADaemonThatBreaksOffMayAnswerLater(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(binary(t), "query", "--config", answering(t, nil, -1), "--purpose", "billing", "--request", "t-1", "--account", "a-17")
	out, _ := cmd.CombinedOutput()
	if text := string(out); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(text, "gave no answer") || strings.Contains(text, "a-17") {
		t.Errorf("exit code %d, %q: want 1 and no account", cmd.ProcessState.ExitCode(), text)
	}
}
