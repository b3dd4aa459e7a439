package collector

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"sipsieve/capture/capturetest"
	"sipsieve/capture/pcap"
	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip"
	"sipsieve/sip/calls"
	"sipsieve/sip/event"
	"sipsieve/sip/track"
	"sipsieve/store"
)

// oneCall is answered and ends by a BYE.
const oneCall = `
00:00.000  alice -> bob   INVITE
00:01.200  alice <- bob   180
00:04.900  alice <- bob   200 INVITE
00:05.000  alice -> bob   ACK
01:04.900  alice -> bob   BYE
01:04.950  alice <- bob   200 BYE
`

// tracked returns a Tracker as a shard has it.
func (b *bench) tracked() *track.Tracker {
	plan := b.setup.Plan(1, true)
	tr := track.New(plan.Limits)
	tr.PublishAt(plan.Stages)
	tr.Save(plan.Keyer)
	return tr
}

// followed returns what a shard sends of oneCall: while it is up, and once it is over. last is the time of its end.
func (b *bench) followed(t *testing.T) (up, over pipeline.Flow, last time.Time) {
	t.Helper()
	frames, err := capturetest.Ladder([]byte(oneCall))
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := capturetest.WritePcap(&text, frames); err != nil {
		t.Fatal(err)
	}
	source, err := pcap.New("call", &text, pcap.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	plan := b.setup.Plan(1, true)
	r, batch := sip.NewReader(plan.Selection, sip.DefaultLimits()), new(sip.Batch)
	for p, err := source.Next(); err == nil; p, err = source.Next() {
		r.Read(&p, batch.Add)
	}
	tr := b.tracked()
	flow := func(messages []sip.Message, advance time.Duration) pipeline.Flow {
		var events []event.Event
		for i := range messages {
			events = tr.Observe(events, &messages[i], plan.Keyer.Of(&messages[i]))
			last = messages[i].Time
		}
		events = tr.Advance(events, last.Add(advance))
		return pipeline.Flow{Events: events, Saved: tr.Changed(nil), Clock: pipeline.EndOfTime}
	}
	n := len(batch.Messages)
	up = flow(batch.Messages[:n-2], 0)
	return up, flow(batch.Messages[n-2:], time.Minute), last
}

// TestARecordThatIsPutAgainAfterAKillReplacesNoBetterOne kills the process after a call has ended while one stream takes
// nothing. The call is restored as an open one and ends by a timer: the stream that took nothing gets a record, and that
// which other streams had stays.
func TestARecordThatIsPutAgainAfterAKillReplacesNoBetterOne(t *testing.T) {
	t.Parallel()
	first, second := newBench(t), newBench(t)
	second.sink = first.sink
	up, over, last := first.followed(t)
	killed := filepath.Join(t.TempDir(), "calls.journal")
	synctest.Test(t, func(t *testing.T) {
		path := first.withLog(t)
		first.sink.fail("fraud", missing("fraud"))
		first.run(t.Context())
		first.Send(1, first.wire, up)
		time.Sleep(time.Second)
		first.Send(1, first.wire, over)
		time.Sleep(time.Hour)
		file, err := os.ReadFile(path) // as a kill leaves it
		if err == nil {
			err = os.WriteFile(killed, file, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		first.stop()
		first.Close()
		<-first.ended
		_ = first.config.Checkpoints.Close()
	})
	if n := first.sink.counts(); n["billing"] != 1 || n["fraud"] != 0 {
		t.Fatalf("put = %v, want one of billing: the test shows nothing", n)
	}
	first.sink.fail("fraud", nil)
	tr, restored := first.tracked(), 0
	l := checkpoint.Open(logAt(killed))
	if err := l.Trouble(); err != nil {
		t.Fatal(err)
	}
	err := l.Calls(func(c checkpoint.Restorable) {
		restored++
		if err := tr.Restore(c.Saved, c.Facts); err != nil {
			t.Error(err)
		}
	})
	if err != nil || restored != 1 {
		t.Fatalf("restored = %d, %v, want the call", restored, err)
	}
	events := tr.Advance(nil, last.Add(30*24*time.Hour))
	synctest.Test(t, func(t *testing.T) {
		second.run(t.Context())
		second.Send(1, second.wire, pipeline.Flow{Events: events, Saved: []calls.Saved{}, Clock: pipeline.EndOfTime})
		second.Close()
		if err := <-second.ended; err != nil {
			t.Error(err)
		}
	})
	for _, p := range first.setup.Purposes {
		xs := first.sink.kept[p.Name]
		switch p.Name {
		case "billing":
			if len(xs) != 2 || xs[0].ID != xs[1].ID || xs[0].Revision != xs[1].Revision {
				t.Fatalf("billing = %d records, want two with one id and revision", len(xs))
			}
			rows := store.Rows(p, xs)
			if len(rows) != 1 || !bytes.Equal(rows[0].Body(), xs[0].Body()) || xs[0].Status != "complete" {
				t.Errorf("rows = %d, want the complete record alone", len(rows))
			}
		case "fraud":
			if rows := store.Rows(p, xs); len(rows) != 1 || rows[0].Status != "partial" {
				t.Errorf("fraud: rows = %d, want one that is partial", len(rows))
			}
		}
	}
}
