package pcap

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tool returns the path of a program of Wireshark's, which must be there where CI is set.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(name + " is not here")
	}
	return path
}

// corpus returns the captures of the shared folder.
func corpus(t *testing.T) (all []string) {
	t.Helper()
	for _, pattern := range []string{"generated/*.pcap", "generated/*.pcapng", "public/*.pcap", "public/*.pcapng"} {
		some, err := filepath.Glob("../../../shared/captures/" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, some...)
	}
	if len(all) == 0 {
		t.Skip("no shared captures")
	}
	return all
}

// run runs a program and returns what it prints.
func run(t *testing.T, path string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v: %s", filepath.Base(path), err, errs.String())
	}
	return out.String()
}

// A summary is what capinfos reports of a file: how many frames, and the first and last of their times.
type summary struct {
	frames      int
	first, last string
}

// summaries asks capinfos.
func summaries(t *testing.T, files []string) map[string]summary {
	t.Helper()
	out := run(t, tool(t, "capinfos"), append([]string{"-T", "-r", "-m", "-S", "-c", "-a", "-e"}, files...)...)
	all := map[string]summary{}
	lines := bufio.NewScanner(strings.NewReader(out))
	for lines.Scan() {
		f := strings.Split(lines.Text(), ",")
		n, err := strconv.Atoi(f[1])
		if err != nil || len(f) != 4 {
			t.Fatalf("capinfos: %q", lines.Text())
		}
		all[f[0]] = summary{n, nineDigits(f[2]), nineDigits(f[3])}
	}
	return all
}

// nineDigits writes seconds with nanoseconds, however many digits capinfos found the file to have.
func nineDigits(seconds string) string {
	at := strings.IndexByte(seconds, '.')
	return (seconds + strings.Repeat("0", 9))[:at+10]
}

// TestCapinfosCountsTheSame over all shared captures and what editcap makes of one: every format, cut, compressed.
func TestCapinfosCountsTheSame(t *testing.T) {
	t.Parallel()
	files := corpus(t)
	editcap, dir := tool(t, "editcap"), t.TempDir()
	for _, format := range []string{"pcap", "nsecpcap", "pcapng"} {
		for _, source := range files[:3] {
			variant := filepath.Join(dir, format+"-"+filepath.Base(source))
			run(t, editcap, "-F", format, "-s", "200", source, variant)
			b, err := os.ReadFile(variant)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(variant+".gz", gzipped(b), 0o600); err != nil {
				t.Fatal(err)
			}
			files = append(files, variant, variant+".gz")
		}
	}
	want := summaries(t, files)
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		all, end := framesOf(f)
		_ = f.Close()
		if got := summed(all); got != want[name] || !errors.Is(end, io.EOF) {
			t.Errorf("%s: %+v, %v, want %+v", filepath.Base(name), got, end, want[name])
		}
	}
	t.Logf("%d files", len(files))
}

// summed returns what capinfos would report.
func summed(all []seen) (s summary) {
	s.frames = len(all)
	if len(all) == 0 {
		return s
	}
	earlier := func(a, b seen) int { return a.at.Compare(b.at) }
	written := func(at time.Time) string { return fmt.Sprintf("%d.%09d", at.Unix(), at.Nanosecond()) }
	s.first = written(slices.MinFunc(all, earlier).at)
	s.last = written(slices.MaxFunc(all, earlier).at)
	return s
}

// TestTsharkSeesTheSameLinkLayers: what links makes is what others understand by those numbers.
func TestTsharkSeesTheSameLinkLayers(t *testing.T) {
	t.Parallel()
	tshark, dir := tool(t, "tshark"), t.TempDir()
	ethernet := firstFrame(t)
	all := links(ethernet)
	all[229] = ipv6Of(ethernet)
	f, n := section(), 0
	for link, frame := range all {
		f.face(uint16(link), 0).enhanced(uint32(n), uint64(n), frame)
		n++
	}
	path := filepath.Join(dir, "links.pcapng")
	if err := os.WriteFile(path, f.b, 0o600); err != nil {
		t.Fatal(err)
	}
	out := run(t, tshark, "-r", path, "-T", "fields", "-e", "udp.length")
	if want := strings.Repeat(fmt.Sprintf("%d\n", len(ethernet)-34), n); out != want {
		t.Errorf("lengths = %q, want %d times %d", out, n, len(ethernet)-34)
	}
}

// TestRingOfEditcapIsReadWhole: a capture that is rotated every ten frames, through a folder.
func TestRingOfEditcapIsReadWhole(t *testing.T) {
	files := corpus(t)
	i := slices.IndexFunc(files, func(name string) bool { return strings.Contains(name, "g15-loss-core") })
	if i < 0 {
		t.Skip("no capture for it")
	}
	whole, err := os.ReadFile(files[i])
	if err != nil {
		t.Fatal(err)
	}
	want, f := wholly(t, whole), newFolder(t)
	run(t, tool(t, "editcap"), "-F", "pcap", "-c", "10", files[i], filepath.Join(f.cfg.Path, "ring.pcap"))
	d := f.open()
	l, err := d.Poll(time.Now().Add(time.Hour))
	if err != nil || len(l.Ready) != (len(want)+9)/10 {
		t.Fatalf("ready = %d, %v, want a file for each ten of %d frames", len(l.Ready), err, len(want))
	}
	var got []seen
	for _, one := range l.Ready {
		b, err := os.ReadFile(one.Path)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, wholly(t, b)...)
		d.Done(one)
	}
	if !slices.Equal(got, want) {
		t.Errorf("frames = %d, want the %d of the capture", len(got), len(want))
	}
}
