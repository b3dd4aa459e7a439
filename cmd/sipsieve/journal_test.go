package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sipsieve/capture/capturetest"
	"sipsieve/sip"
	"sipsieve/sip/track"
	"sipsieve/store/vault"
)

// openedJournal opens the journal at path under the demonstration keys.
func openedJournal(t testing.TB, path string) (*journal, keptCalls) {
	t.Helper()
	j, kept, err := openJournal(path, "0123456789abcdef", vault.Demo().Sealer("journal"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return j, kept
}

// stateOf and frozenOf are entries of the n-th call, each telling of its version.
func stateOf(n, version int) entry {
	return entry{kind: stateEntry, name: track.Key{byte(n), byte(n >> 8), byte(n >> 16), 1},
		body: fmt.Appendf(nil, "state %d %d", n, version)}
}

func frozenOf(n int) entry {
	e := stateOf(n, 0)
	return entry{kind: frozenEntry, name: e.name, body: bytes.Repeat([]byte{byte(n)}, 500)}
}

func goneOf(n int) entry { return entry{kind: goneEntry, name: stateOf(n, 0).name} }

// sameCalls compares what is kept with what was said last.
func sameCalls(t *testing.T, got, want keptCalls) {
	t.Helper()
	if !maps.EqualFunc(got, want, func(a, b keptCall) bool {
		return bytes.Equal(a.state, b.state) && bytes.Equal(a.frozen, b.frozen)
	}) {
		t.Errorf("kept = %d calls, want %d, or otherwise", len(got), len(want))
	}
}

// TestTheJournalHoldsTheNewestWordOnEachCallAndStaysSmall changes 300 calls for a thousand seconds.
func TestTheJournalHoldsTheNewestWordOnEachCallAndStaysSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls.journal")
	j, _ := openedJournal(t, path)
	want := keptCalls{}
	largest, rewrites := int64(0), 0
	for version := range 1000 {
		var batch []entry
		for i := range 30 {
			n := (version*7 + i*11) % 300
			switch e := stateOf(n, version); {
			case (version+i)%13 == 0:
				batch = append(batch, goneOf(n))
			case want[e.name].state == nil:
				batch = append(batch, frozenOf(n), e)
			default:
				batch = append(batch, e)
			}
			want.take(&batch[len(batch)-1])
			if k := len(batch) - 2; k >= 0 && batch[k].kind == frozenEntry {
				want.take(&batch[k])
			}
		}
		if err := j.append(batch); err != nil {
			t.Fatal(err)
		}
		if j.old() {
			if err := j.rewrite(); err != nil {
				t.Fatal(err)
			}
			rewrites++
		}
		largest = max(largest, j.size)
	}
	held := int64(0)
	for _, p := range j.where {
		held += p.stateSize + p.frozenSize
	}
	if j.held != held || len(j.where) != len(want) || rewrites == 0 || largest > 2*300*600+2*rewriteAfter {
		t.Errorf("held = %d, want %d; %d calls, want %d; %d rewrites; largest = %d", j.held, held, len(j.where), len(want),
			rewrites, largest)
	}
	_ = j.file.Close()
	j, kept := openedJournal(t, path)
	sameCalls(t, kept, want)
	_ = j.file.Close()
	_, kept = openedJournal(t, path) // as the last start wrote it
	sameCalls(t, kept, want)
}

// TestWhatIsOverGoesFromTheDisk looks at a journal that nothing is written to any more but that was not rewritten for
// long.
func TestWhatIsOverGoesFromTheDisk(t *testing.T) {
	j, _ := openedJournal(t, filepath.Join(t.TempDir(), "calls.journal"))
	for n := range 20 {
		if err := j.append([]entry{frozenOf(n), stateOf(n, 1), goneOf(n)}); err != nil {
			t.Fatal(err)
		}
	}
	if j.old() {
		t.Error("it is rewritten for little")
	}
	if j.written = j.written.Add(-rewriteEvery - time.Minute); !j.old() {
		t.Error("it is never rewritten")
	}
	if err := j.rewrite(); err != nil || j.size > 200 {
		t.Errorf("size = %d, %v, want a head alone", j.size, err)
	}
}

// TestAFullDiskCostsNothingOnceThereIsRoom makes two writes fail; one call ends between them that no file knows.
func TestAFullDiskCostsNothingOnceThereIsRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls.journal")
	j, _ := openedJournal(t, path)
	if err := j.append([]entry{frozenOf(1), stateOf(1, 1)}); err != nil {
		t.Fatal(err)
	}
	whole := j.file
	j.file, _ = os.Open(path) // cannot be written
	for _, batch := range [][]entry{{stateOf(1, 2), frozenOf(2), stateOf(2, 1), frozenOf(4), stateOf(4, 1)},
		{stateOf(2, 2), goneOf(4)}} {
		if err := j.append(batch); err == nil {
			t.Fatal("it was written: the test shows nothing")
		}
	}
	if n := len(j.unwritten); n != 3 {
		t.Errorf("unwritten = %d entries, want the 3 that count", n)
	}
	_ = j.file.Close()
	j.file = whole
	if err := j.append([]entry{frozenOf(3), stateOf(3, 1)}); err != nil {
		t.Fatal(err)
	}
	_, kept := openedJournal(t, path)
	want := keptCalls{}
	for _, e := range []entry{frozenOf(1), stateOf(1, 2), frozenOf(2), stateOf(2, 2), frozenOf(3), stateOf(3, 1)} {
		want.take(&e)
	}
	sameCalls(t, kept, want)
}

// TestACallWithoutWhatWasFrozenIsRefused: it would be followed on and never told.
func TestACallWithoutWhatWasFrozenIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls.journal")
	j, _ := openedJournal(t, path)
	if err := j.append([]entry{stateOf(1, 1), frozenOf(2), stateOf(2, 1)}); err != nil {
		t.Fatal(err)
	}
	j, kept := openedJournal(t, path)
	if _, ok := kept[stateOf(2, 1).name]; len(kept) != 1 || !ok || j.refused.Load() != 1 {
		t.Errorf("kept = %d, refused = %d, want the second call, 1", len(kept), j.refused.Load())
	}
}

// FuzzAJournalIsReadUpToItsDamage damages a journal anywhere: what is read is a beginning of what was written.
func FuzzAJournalIsReadUpToItsDamage(f *testing.F) {
	path := filepath.Join(f.TempDir(), "calls.journal")
	j, _ := openedJournal(f, path)
	for n := range 10 {
		if err := j.append([]entry{stateOf(n, 1)}); err != nil {
			f.Fatal(err)
		}
	}
	file, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint16(100), byte(1), false)
	f.Add(uint16(3), byte(255), true)
	f.Add(uint16(len(file)-1), byte(0), true)
	f.Fuzz(func(t *testing.T, at uint16, by byte, cut bool) {
		damaged := bytes.Clone(file)
		i := int(at) % len(damaged)
		if damaged[i] ^= by; cut {
			damaged = damaged[:i]
		}
		r, err := newBlockReader(bytes.NewReader(damaged), vault.Demo().Sealer("journal"))
		if err != nil {
			return
		}
		n := 0
		err = r.each(func(block uint64, e *entry) error {
			want := stateOf(n, 1)
			if e.kind != want.kind || e.name != want.name || !bytes.Equal(e.body, want.body) || block != uint64(n)+1 {
				t.Errorf("entry %d is another one", n)
			}
			n++
			return nil
		})
		if whole := by == 0 && !cut; whole != (err == nil && n == 10) && (!cut || err != nil) {
			t.Errorf("%d entries, %v", n, err)
		}
	})
}

// benchLadder is an answered call with what a carrier's INVITE has, and a re-INVITE in it.
const benchLadder = `
00:00.000  alice -> bob   INVITE
    P-Asserted-Identity: <sip:+13035550110@example.net>
    P-Charging-Vector: icid-value=5f2c1e00aa11bb22;orig-ioi=example.net
    User-Agent: Yealink SIP-T46S 66.85.0.5
00:01.200  alice <- bob   180
00:04.900  alice <- bob   200 INVITE
00:05.000  alice -> bob   ACK
00:10.000  alice -> bob   INVITE
00:10.100  alice <- bob   200 INVITE
00:10.200  alice -> bob   ACK
`

// openCalls returns what a shard says of n calls once they are answered, and once more after a re-INVITE.
func openCalls(b *testing.B, s *setup, n int) (opened, changed []track.Saved) {
	frames, err := capturetest.Ladder([]byte(benchLadder))
	if err != nil {
		b.Fatal(err)
	}
	var file bytes.Buffer
	if err := capturetest.WritePcap(&file, frames); err != nil {
		b.Fatal(err)
	}
	plan := s.plan(1, true)
	r, batch := sip.NewReader(plan.selection, sip.DefaultLimits()), new(sip.Batch)
	for source := openCorpus(b, file.Bytes()); ; {
		p, err := source.Next()
		if err != nil {
			break
		}
		r.Read(&p, batch.Add)
	}
	plan.limits.Calls, plan.limits.PerSource = n, 0
	tr := track.New(plan.limits)
	tr.Save(plan.keyer)
	show := func(ms []sip.Message) []track.Saved {
		for i := range n * len(ms) {
			m := &ms[i%len(ms)]
			k := plan.keyer.Of(m)
			i /= len(ms)
			k.Call, m.Mark = track.Key{byte(i), byte(i >> 8), byte(i >> 16), 1}, 0
			tr.Observe(nil, m, k)
		}
		return tr.Changed(nil)
	}
	return show(batch.Messages[:4]), show(batch.Messages[4:])
}

// BenchmarkJournal keeps 100,000 calls that are up, of which 1000 change: one operation is one second. What shards
// need for it is measured by track's BenchmarkChanged.
func BenchmarkJournal(b *testing.B) {
	const n = 100_000
	s := benchSetup(b, "")
	opened, changed := openCalls(b, s, n)
	c := &collector{d: &daemon{setup: s}}
	j, _ := openedJournal(b, filepath.Join(b.TempDir(), "calls.journal"))
	put := func(all []track.Saved) {
		for i := range all {
			c.keep(&all[i])
		}
		if err := j.append(c.saved); err != nil {
			b.Fatal(err)
		}
		c.saved = c.saved[:0]
	}
	began := time.Now()
	for some := range slices.Chunk(opened, 1000) {
		put(some)
	}
	b.Logf("%d calls of %d: %d bytes on disk each; frozen and written in %v each", len(j.where), n, j.size/n,
		time.Since(began)/n)
	began = time.Now()
	if err := j.rewrite(); err != nil {
		b.Fatal(err)
	}
	b.Logf("written anew in %v", time.Since(began))
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		put(changed[i*1000%n : i*1000%n+1000])
	}
	b.StopTimer()
	_ = j.file.Close()
	began = time.Now()
	_, kept := openedJournal(b, j.path)
	b.Logf("%d calls read and written anew in %v", len(kept), time.Since(began))
}
