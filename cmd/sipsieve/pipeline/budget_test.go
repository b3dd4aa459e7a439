package pipeline

import (
	"bytes"
	"testing"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
	"sipsieve/capture/pcap"
	"sipsieve/sip/track"
)

// calling returns a capture file of the first frames of n calls.
func calling(t *testing.T, n int) []byte {
	t.Helper()
	seen := map[string]bool{}
	var first []capturetest.Frame
	for _, f := range capturetest.Corpus(n, 1) {
		at := bytes.Index(f.Data, []byte("Call-ID: "))
		id, _, _ := bytes.Cut(f.Data[at:], []byte("\r\n"))
		if !seen[string(id)] {
			seen[string(id)] = true
			first = append(first, f)
		}
	}
	var b bytes.Buffer
	if err := capturetest.WritePcap(&b, first); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// observe has the shards of d follow a capture file, and calls each after every packet.
func observe(t *testing.T, d *Domain, file []byte, each func()) {
	t.Helper()
	s, err := pcap.New("calls", bytes.NewReader(file), pcap.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	r := d.readers[0]
	for p, err := s.Next(); err == nil; p, err = s.Next() {
		r.sip.Read(&p, r.take)
		for i, b := range r.batches {
			for k := range b.keys {
				d.shards[i].track.Observe(nil, &b.messages.Messages[k], b.keys[k])
			}
			b.reset()
		}
		each()
	}
}

// TestTheLimitOfCallsIsTheHosts has two Domains of eight shards and more calls than the host may follow.
func TestTheLimitOfCallsIsTheHosts(t *testing.T) {
	const limit = 200
	plan := livePlan(8)
	plan.Live, plan.Limits.Calls, plan.Limits.PerSource = false, limit, 0
	plan.Budgets = track.NewBudgets(plan.Limits, 0, 2, plan.Shards)
	var domains []*Domain
	live := func() (n uint64) {
		for _, d := range domains {
			for _, s := range d.shards {
				n += s.track.Counts().Live
			}
		}
		return n
	}
	for i, want := range []uint64{limit/2 + limit/4, limit} { // what one may have, then all
		d := New([]capture.Source{new(tap)}, plan)
		domains = append(domains, d)
		observe(t, d, calling(t, 1000), func() {
			if n := live(); n > limit {
				t.Fatalf("domain %d: %d calls are followed, want %d at most", i, n, limit)
			}
		})
		if n := live(); n+uint64(plan.Shards) < want || n > want+uint64(plan.Shards) {
			t.Errorf("domain %d: %d calls are followed, want about %d", i, n, want)
		}
	}
	for _, s := range domains[0].shards { // the first has ended: its room is the other's
		s.track.Finish(nil)
		s.track.Leave()
	}
	domains = domains[1:]
	before := live()
	observe(t, domains[0], calling(t, 3000), func() {})
	if n := live(); n <= before || n > limit {
		t.Errorf("%d calls are followed after the other has ended, want more than %d", n, before)
	}
}
