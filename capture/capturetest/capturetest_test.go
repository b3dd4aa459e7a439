package capturetest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const answered = `
00:00.000  alice -> bob   INVITE
00:00.020  alice <- bob   407
00:00.040  alice -> bob   ACK
00:00.060  alice -> bob   INVITE
00:00.080  alice <- bob   100
00:00.560  alice -> bob   INVITE
00:01.200  alice <- bob   180
00:04.900  alice <- bob   200 INVITE
00:05.000  alice -> bob   ACK
01:04.900  alice -> bob   BYE
01:04.950  alice <- bob   200 BYE
`

// tshark returns what tshark prints of frames, one line a frame that filter lets through.
func tshark(t *testing.T, frames []Frame, filter string, fields ...string) []string {
	t.Helper()
	program, err := exec.LookPath("tshark")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip("tshark is not installed")
	}
	var file bytes.Buffer
	if err := WritePcap(&file, frames); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "frames.pcap")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-n", "-r", path, "-Y", filter, "-T", "fields", "-o", "udp.check_checksum:TRUE",
		"-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(strings.Split(string(out), "\n"), func(s string) bool { return s == "" })
}

const faulty = `_ws.malformed or ip.checksum.status == 0 or udp.checksum.status == 0 or tcp.checksum.status == 0 or
	_ws.expert.severity >= 0x600000 or tcp.analysis.retransmission or tcp.analysis.lost_segment`

// TestTsharkReadsLaddersWithoutComplaint reads the answered call under each set of options, all in one capture: an hour
// apart and from other addresses.
func TestTsharkReadsLaddersWithoutComplaint(t *testing.T) {
	t.Parallel()
	var all []Frame
	options := []string{"", "transport tcp\n", "ipv6\n", "vlan 100\n", "mtu 576\n", "transport tcp\nmtu 576\nipv6\n",
		"callid x@example.net\n"}
	for i, set := range options {
		all = append(all, calledFrom(t, i, set)...)
	}
	if bad := tshark(t, all, faulty, "frame.time_epoch", "_ws.expert.message"); len(bad) != 0 {
		t.Errorf("faults = %q, want none", bad)
	}
	got := tshark(t, all, "sip", "sip.Method", "sip.Status-Code")
	if len(got) != 11*len(options) {
		t.Fatalf("messages = %d, want 11 of each of %d", len(got), len(options))
	}
	const want = "INVITE\t \t407 ACK\t INVITE\t \t100 INVITE\t \t180 \t200 ACK\t BYE\t \t200"
	for i, set := range options {
		if got := strings.Join(got[11*i:][:11], " "); got != want {
			t.Errorf("%q: messages = %q, want %q", set, got, want)
		}
	}
}

// calledFrom returns the frames of the answered call under options, in the n-th hour and from the n-th address.
func calledFrom(t *testing.T, n int, options string) []Frame {
	t.Helper()
	caller := fmt.Sprintf("198.51.100.%d", 1+n)
	if strings.Contains(options, "ipv6") {
		caller = fmt.Sprintf("2001:db8:1::%d", 1+n)
	}
	start := time.Date(2026, time.January, 5, n, 0, 0, 0, time.UTC).Format(time.RFC3339)
	frames, err := Ladder(fmt.Appendf(nil, "start %s\n%salice is +13035550142 at %s\n%s", start, options, caller, answered))
	if err != nil {
		t.Fatal(err)
	}
	return frames
}

func TestTsharkReadsCorpusWithoutComplaint(t *testing.T) {
	t.Parallel()
	frames := Corpus(60, 1)
	if bad := tshark(t, frames, faulty, "frame.number", "_ws.expert.message"); len(bad) != 0 {
		t.Errorf("faults = %q, want none", bad)
	}
	if n := len(tshark(t, frames, "sip", "sip.Call-ID")); n != 540 {
		t.Errorf("messages = %d, want 540", n)
	}
}

func TestSameSeedMakesSameBytes(t *testing.T) {
	file := func(seed uint64) []byte {
		var b bytes.Buffer
		if err := WritePcap(&b, Corpus(30, seed)); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	if !bytes.Equal(file(7), file(7)) {
		t.Error("two corpora of one seed differ")
	}
	if bytes.Equal(file(7), file(8)) {
		t.Error("corpora of two seeds are equal")
	}
}
