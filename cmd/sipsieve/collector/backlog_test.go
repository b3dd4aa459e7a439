package collector

import (
	"bytes"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/event"
)

// TestFilesWaitForTheBusAndWhatIsLiveDoesNot has a bus that takes nothing for long: live domains are followed on, and
// of live records alone some are shed; what is of a file is all there once the bus takes it.
func TestFilesWaitForTheBusAndWhatIsLiveDoesNot(t *testing.T) {
	t.Parallel()
	s := demoSetup(t, "../../../configs/quickstart-policy.toml")
	var ofFile, ofWire []event.Event
	follow(t, 60, func(ev *event.Event) {
		e := *ev
		if ofFile = append(ofFile, e); ev.Call != nil {
			c := *ev.Call
			c.Origin, e.Call = capture.Interface, &c
			ofWire = append(ofWire, e)
		}
	})
	const flows = 320 // more than are on their way at once
	one := New(configOf(s))
	one.waits = true
	for i := range ofFile {
		one.emit(&ofFile[i])
	}
	one.backlog.flush()
	want := 0
	for _, p := range one.backlog.waiting {
		want += flows * len(p.excerpts)
	}
	domain := func(live bool) *pipeline.Domain { return pipeline.New(nil, s.Plan(1, live)) }
	file, wire := domain(false), domain(true)
	c := New(configOf(s))
	collected := make(chan bool)
	go func() { c.collect(); close(collected) }()
	files := make(chan int)
	go func() {
		for range flows {
			c.Send(0, file, pipeline.Flow{Events: ofFile, Clock: pipeline.EndOfTime})
		}
		close(files)
	}()
	for range flows {
		select {
		case c.channel(wire) <- item{feed: 1, domain: wire, flow: pipeline.Flow{Events: ofWire, Clock: pipeline.EndOfTime}}:
		case <-time.After(patience):
			t.Fatal("what is live waits for the bus")
		}
	}
	select {
	case <-files:
		t.Error("the file does not wait: the test shows nothing")
	default:
	}
	got := map[bool]int{} // excerpts, of the file or not
	go func() { <-files; c.Close() }()
	for p, open := c.put.next(); open; p, open = c.put.next() {
		for i := range p.excerpts {
			got[bytes.Contains(p.excerpts[i].Body(), []byte(`"source":"file"`))]++
		}
	}
	<-collected
	l := ledger.New()
	c.AddTo(l)
	shed := uint64(0)
	for _, e := range l.Excerpts {
		shed += e.Suppressed["overflow"]
	}
	if got[true] != want || shed == 0 || got[false] == 0 {
		t.Errorf("of the file = %d, want %d; live = %d, shed = %d, want some of each", got[true], want, got[false], shed)
	}
}
