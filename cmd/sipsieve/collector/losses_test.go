package collector

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"sipsieve/store/cpni"
)

// TestAnEarlierLossIsDoneWhenItsRecordIsPut announces two losses of before the start to a purpose that has no room at
// first: each is announced as it is, and is done once its record is put, not before.
func TestAnEarlierLossIsDoneWhenItsRecordIsPut(t *testing.T) {
	t.Parallel()
	ids := map[string]int{} // of the records, over two starts
	for range 2 {
		b := newBench(t)
		synctest.Test(t, func(t *testing.T) {
			b.open()
			full := &fullSink{sink: b.sink}
			b.lanes.all[0].publisher.sink = full
			name := b.lanes.all[0].purpose.Name
			done := [2]int{}
			for i, event := range []string{"spool 1", "spool 2"} {
				now := time.Now()
				b.losses[0].earlier = append(b.losses[0].earlier, &Announcement{Purpose: name,
					Loss: cpni.Loss{From: now, To: now, Count: uint64(i + 1), Reason: "damaged", Event: event},
					Done: func() error { done[i]++; return nil }})
			}
			full.set(true)
			b.run(t.Context())
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			if done != [2]int{} || full.losses == 0 {
				t.Errorf("done = %v after %d refusals, want none", done, full.losses)
			}
			full.set(false)
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			if done != [2]int{1, 1} {
				t.Errorf("done = %v, want each once", done)
			}
			b.Close()
			if err := <-b.ended; err != nil {
				t.Error(err)
			}
			for i, x := range b.sink.kept[name] {
				ids[x.ID]++
				var body struct{ Count int }
				if err := json.Unmarshal(x.Body(), &body); err != nil || body.Count != i+1 {
					t.Errorf("record %d = %s, error %v, want a loss of %d", i, x.Body(), err, i+1)
				}
			}
		})
	}
	if len(ids) != 2 {
		t.Errorf("ids = %v, want the same two at each start", ids)
	}
}
