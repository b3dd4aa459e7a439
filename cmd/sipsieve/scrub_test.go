package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/sip/event"
)

// scrubbed returns the path of what scrub makes of a capture.
func scrubbed(t *testing.T, path string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "scrubbed.pcapng")
	if err := scrubFile(path, out, io.Discard); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestNoCanaryIsLeftInAScrubbedCapture looks for the markers of the canaries in the bytes of the file.
func TestNoCanaryIsLeftInAScrubbedCapture(t *testing.T) {
	c := coop{newFlock(67)}
	c.whole = true // a letter is replaced by a letter, a digit by a digit
	text, err := os.ReadFile(scrubbed(t, c.capture(t, 20)))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text, []byte("INVITE ")); n < 20 {
		t.Fatalf("INVITEs = %d: the test shows nothing", n)
	}
	c.search(t, "a scrubbed capture", text)
}

// facts are the times, words and counts of the records of a capture, not who and where, sorted.
func facts(t *testing.T, path string) (all []string, l *ledger.Ledger) {
	t.Helper()
	l = follow(t, path, 1, func(ev *event.Event) {
		switch {
		case ev.Call != nil:
			all = append(all, fmt.Sprint("call ", ev.Stage, ev.Revision, plainFields(*ev.Call)))
		case ev.Registration != nil:
			r := *ev.Registration
			all = append(all, fmt.Sprint("registration ", ev.Stage, ev.Revision, plainFields(r)))
		}
	})
	slices.Sort(all)
	return all, l
}

// plainFields lists the fields of a struct that are numbers, words and times.
func plainFields(of any) (list []string) {
	v := reflect.ValueOf(of)
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		when, isTime := time.Time{}, false
		if f.CanInterface() {
			when, isTime = f.Interface().(time.Time)
		}
		switch {
		case isTime:
			list = append(list, name+"="+when.UTC().Format(time.RFC3339Nano))
		case f.CanInt():
			list = append(list, fmt.Sprint(name, "=", f.Int()))
		case f.CanUint():
			list = append(list, fmt.Sprint(name, "=", f.Uint()))
		case f.Kind() == reflect.Bool:
			list = append(list, fmt.Sprint(name, "=", f.Bool()))
		}
	}
	return list
}

// TestAScrubbedCaptureSaysTheSame compares the records of captures with those of what scrub makes of them, and what
// was counted of messages and calls.
func TestAScrubbedCaptureSaysTheSame(t *testing.T) {
	t.Parallel()
	eachCapture(t, func(t *testing.T, name, path string) {
		if strings.Contains(name, "websocket-access") || strings.Contains(path, "/public/") {
			t.Skip("WebSocket is blanked; other people's captures hold what no two runs need read alike")
		}
		want, counted := facts(t, path)
		got, counts := facts(t, scrubbed(t, path))
		for i := range max(len(want), len(got)) {
			if i >= len(want) || i >= len(got) || want[i] != got[i] {
				t.Fatalf("records = %d, want %d; the first that differs:\n%q\nwant\n%q", len(got), len(want), at(got, i),
					at(want, i))
			}
		}
		for _, sum := range []struct {
			what      string
			got, want ledger.Sums
		}{{"requests", counts.Messages.Requests, counted.Messages.Requests},
			{"statuses", counts.Messages.Statuses, counted.Messages.Statuses},
			{"refused", counts.Messages.Refused, counted.Messages.Refused},
			{"ended", counts.Calls.Ended, counted.Calls.Ended}} {
			if !maps.Equal(sum.got, sum.want) {
				t.Errorf("%s = %v, want %v", sum.what, sum.got, sum.want)
			}
		}
	})
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "nothing"
}

// dissected is tshark's dissection of a capture.
type dissected struct{ messages, descriptions, malformed, badSums int }

func tshark(t *testing.T, path string) (n dissected) {
	t.Helper()
	out, err := exec.Command("tshark", "-r", path, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
		"-o", "tcp.check_checksum:TRUE", "-V").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		for _, one := range []struct {
			text string
			n    *int
		}{{"Session Initiation Protocol", &n.messages}, {"Session Description Protocol", &n.descriptions},
			{"[Malformed Packet: SIP", &n.malformed}, {"[Malformed Packet: SDP", &n.malformed},
			{"Checksum Status: Bad]", &n.badSums}, {"checksum status: Bad]", &n.badSums}} {
			if strings.Contains(line, one.text) {
				*one.n++
			}
		}
	}
	return n
}

// TestTsharkFindsNothingWrongWithAScrubbedCapture has it check ledger.Sums, and compares what it reads and calls malformed.
func TestTsharkFindsNothingWrongWithAScrubbedCapture(t *testing.T) {
	t.Parallel()
	need(t, "tshark")
	for _, name := range []string{"g10-hold-resume-core.pcap", "g14-register-401-access.pcap", "g16-tcp-access.pcap",
		"g18-ipv6-udp-core.pcap", "g20-ipv4-fragments-core.pcap", "g26-any-sll2-any.pcap", "g31-torture-access.pcap",
		"g33-baresip-access.pcap", "d1-vlan100.pcap", "d2-snaplen300.pcap", "d5-both-sides-two-interfaces.pcapng"} {
		path := filepath.Join(captures, "generated", name)
		if _, err := os.Stat(path); err != nil {
			t.Skip(err)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, want := tshark(t, scrubbed(t, path)), tshark(t, path)
			if got.badSums > 0 || got.malformed > want.malformed {
				t.Errorf("wrong checksums = %d, malformed = %d, want none and %d", got.badSums, got.malformed, want.malformed)
			}
			if got.messages != want.messages || got.descriptions != want.descriptions || want.messages == 0 {
				t.Errorf("messages = %d, descriptions = %d, want %d and %d", got.messages, got.descriptions, want.messages,
					want.descriptions)
			}
		})
	}
}

// TestScrubOverwritesNothing names a file that is there as the one to be written.
func TestScrubOverwritesNothing(t *testing.T) {
	s := newSite(t, 1)
	var stdout, stderr bytes.Buffer
	if code := execute(t.Context(), []string{"scrub", s.capture, s.capture}, &stdout, &stderr); code != exitUsage {
		t.Errorf("exit code = %d, want %d", code, exitUsage)
	}
	if text, err := os.ReadFile(s.capture); err != nil || !bytes.Equal(text, corpus(t, 1)) {
		t.Errorf("the capture is not what it was: %v", err)
	}
}
