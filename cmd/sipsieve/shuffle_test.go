package main

import (
	"bytes"
	"cmp"
	endian "encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/capture/capturetest"
)

var callIDLine = regexp.MustCompile(`(?i)(?:call-id|\ni)\s*: *([^\r\n]+)`)

// callOf returns the Call-ID that a frame shows.
func callOf(t *testing.T, f *capturetest.Frame) string {
	t.Helper()
	found := callIDLine.FindSubmatch(f.Data)
	if found == nil {
		t.Fatal("a frame without a Call-ID: the test shows nothing")
	}
	return string(found[1])
}

// TestPacketsOfOneTimeMayComeInAnyOrder shuffles packets of equal time that are of different calls: the excerpts are
// the same to the byte, for any number of shards.
func TestPacketsOfOneTimeMayComeInAnyOrder(t *testing.T) {
	frames := capturetest.Corpus(150, 7)
	for i := range frames {
		frames[i].Time = frames[i].Time.Truncate(250 * time.Millisecond)
	}
	write := func(frames []capturetest.Frame) string {
		var b bytes.Buffer
		if err := capturetest.WritePcap(&b, frames); err != nil {
			t.Fatal(err)
		}
		return written(t, b.Bytes())
	}
	want := replayOutput(t, write(frames), 1)
	for seed := range uint64(5) {
		mixed := shuffled(t, frames, rand.New(rand.NewPCG(seed, 1)))
		for _, shards := range []int{1, 4} {
			if got := replayOutput(t, write(mixed), shards); !bytes.Equal(got, want) {
				t.Errorf("seed %d, %d shards: the excerpts differ", seed, shards)
			}
		}
	}
}

// shuffled returns frames with those of one time in another order, but for the frames of one call among themselves.
func shuffled(t *testing.T, frames []capturetest.Frame, r *rand.Rand) (mixed []capturetest.Frame) {
	t.Helper()
	for len(frames) > 0 {
		n := 1
		for n < len(frames) && frames[n].Time.Equal(frames[0].Time) {
			n++
		}
		byCall, order := map[string][]capturetest.Frame{}, []string{}
		for i := range frames[:n] {
			id := callOf(t, &frames[i])
			byCall[id], order = append(byCall[id], frames[i]), append(order, id)
		}
		r.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, id := range order {
			mixed, byCall[id] = append(mixed, byCall[id][0]), byCall[id][1:]
		}
		frames = frames[n:]
	}
	return mixed
}

// A lawFile is a capture file in parts: the frames, and the header of each.
type lawFile struct {
	head   []byte
	frames [][]byte // with their record heads
	times  []int64  // nanoseconds
}

// readClassic takes a pcap file apart, false for a file of another kind or one that is cut.
func readClassic(b []byte) (f lawFile, ok bool) {
	var order endian.ByteOrder = endian.LittleEndian
	if len(b) < 24 {
		return f, false
	}
	unit := int64(1000)
	switch endian.LittleEndian.Uint32(b) {
	case 0xa1b2c3d4:
	case 0xa1b23c4d:
		unit = 1
	case 0xd4c3b2a1:
		order = endian.BigEndian
	default:
		return f, false
	}
	f.head, b = b[:24], b[24:]
	for len(b) >= 16 {
		n := 16 + int(order.Uint32(b[8:]))
		if n < 16 || n > len(b) {
			return f, false
		}
		f.frames = append(f.frames, b[:n])
		f.times = append(f.times, int64(order.Uint32(b))*1e9+int64(order.Uint32(b[4:]))*unit)
		b = b[n:]
	}
	return f, len(b) == 0
}

// mixed returns f with its frames in another order: any that differs from the file's for frames less than a second
// apart only, those of one time in theirs.
func (f *lawFile) mixed(r *rand.Rand) []byte {
	type one struct {
		key   int64
		time  int64
		frame []byte
	}
	all, latest := make([]one, len(f.frames)), int64(0)
	byTime := map[int64]int64{}
	for i := range f.frames {
		key, known := byTime[f.times[i]]
		if !known {
			key = f.times[i] + r.Int64N(int64(time.Second))
			byTime[f.times[i]] = key
		}
		latest = max(latest, f.times[i])
		all[i] = one{key, f.times[i], f.frames[i]}
	}
	slices.SortStableFunc(all, func(a, b one) int { return cmp.Compare(a.key, b.key) })
	out := slices.Clone(f.head)
	for _, x := range all {
		out = append(out, x.frame...)
	}
	return out
}

// ordered reports whether the times of f go back by less than a second only.
func (f *lawFile) ordered() bool {
	latest := int64(0)
	for _, t := range f.times {
		if t < latest-int64(time.Second) {
			return false
		}
		latest = max(latest, t)
	}
	return true
}

// replayAll returns what replay writes of the files, and the ledger.
func replayAll(t *testing.T, shards int, files ...[]byte) (out, ledger string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.json")
	args := []string{"replay", "--ledger", path, "--demo-keys", "--shards", fmt.Sprint(shards)}
	for _, b := range files {
		args = append(args, written(t, b))
	}
	var stdout, stderr bytes.Buffer
	if code := execute(t.Context(), args, &stdout, &stderr); code != exitFine {
		t.Fatalf("exit code = %d: %s", code, stderr.String())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return stdout.String(), string(b)
}

// TestFramesOfOneSecondMayLieInAnyOrder shuffles the frames of every capture, those of one time aside: excerpts and
// ledger are the same to the byte.
func TestFramesOfOneSecondMayLieInAnyOrder(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := capturetest.WritePcap(&b, capturetest.Corpus(100, 3)); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"corpus": b.Bytes()}
	for _, dir := range []string{"captures/generated", "captures/public", "captures/torture", "reports/*"} {
		paths, _ := filepath.Glob(filepath.Join("../../../shared", dir, "*.pcap"))
		for _, path := range paths {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(b) < 4<<20 {
				files[path] = b
			}
		}
	}
	tried := 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, ok := readClassic(files[name])
		if !ok || !f.ordered() {
			continue
		}
		tried++
		want, ledger := replayAll(t, 1, files[name])
		for seed := range uint64(2) {
			got, after := replayAll(t, 1+3*int(seed), f.mixed(rand.New(rand.NewPCG(seed, 2))))
			if got != want {
				t.Errorf("%s, seed %d: the excerpts differ", name, seed)
			}
			if after != ledger {
				t.Errorf("%s, seed %d: the ledger differs: %s", name, seed, firstDifference(after, ledger))
			}
		}
	}
	t.Logf("%d captures", tried)
}

// firstDifference returns the first line of a that is another in b, and that.
func firstDifference(a, b string) string {
	other := strings.Split(b, "\n")
	for i, line := range strings.Split(a, "\n") {
		if i >= len(other) || line != other[i] {
			return fmt.Sprintf("line %d: %q, want %q", i+1, line, strings.Join(other[i:min(i+1, len(other))], ""))
		}
	}
	return "it is shorter"
}

// TestFilesOfOneReplayMayEachBeOutOfOrder shares the frames of a capture among three files and shuffles each.
func TestFilesOfOneReplayMayEachBeOutOfOrder(t *testing.T) {
	var b bytes.Buffer
	if err := capturetest.WritePcap(&b, capturetest.Corpus(100, 5)); err != nil {
		t.Fatal(err)
	}
	whole, _ := readClassic(b.Bytes())
	parts := make([]lawFile, 3)
	for i := range whole.frames {
		p := &parts[whole.times[i]%3]
		p.head, p.frames, p.times = whole.head, append(p.frames, whole.frames[i]), append(p.times, whole.times[i])
	}
	want, _ := replayAll(t, 1, b.Bytes())
	var files [][]byte
	for i := range parts {
		files = append(files, parts[i].mixed(rand.New(rand.NewPCG(uint64(i), 3))))
	}
	if got, _ := replayAll(t, 2, files...); got != want {
		t.Error("the excerpts differ from those of one file in order")
	}
}
