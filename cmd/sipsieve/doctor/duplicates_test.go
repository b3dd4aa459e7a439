package doctor

import (
	"fmt"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/sip"
)

// TestPortsAreCoveredByAsFewAsCanBe has clients with ports of their own: the servers' account for all of them.
func TestPortsAreCoveredByAsFewAsCanBe(t *testing.T) {
	p := portPairs{}
	for client := range uint16(50) {
		p[[2]uint16{5080, 40000 + client}]++
		p[[2]uint16{6070, 40000 + client}]++
	}
	p[[2]uint16{7000, 7000}] = 3
	if got := fmt.Sprint(p.cover(8)); got != "[5080 6070 7000]" {
		t.Errorf("ports = %s, want 5080, 6070 and 7000", got)
	}
	if got := fmt.Sprint(p.cover(1)); got != "[5080]" {
		t.Errorf("ports = %s, want 5080 alone", got)
	}
}

// TestACopyIsOneOfTheLastFifthOfASecond has a message again in time, too late, and after too many others.
func TestACopyIsOneOfTheLastFifthOfASecond(t *testing.T) {
	d := newDuplicates()
	at := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	seen := func(mark uint64, after time.Duration) bool {
		_, ok := d.find(&sip.Message{Mark: mark, Time: at.Add(after)})
		return ok
	}
	for i, one := range []struct {
		mark  uint64
		after time.Duration
		want  bool
	}{{1, 0, false}, {1, capture.CopyWindow, true}, {2, 0, false}, {2, capture.CopyWindow + 1, false}, {2, capture.CopyWindow + 2, true}} {
		if got := seen(one.mark, one.after); got != one.want {
			t.Errorf("message %d: a copy = %t, want %t", i, got, one.want)
		}
	}
	for mark := range uint64(mostCopies) {
		seen(10+mark, 0)
	}
	if seen(1, 0) || len(d.last) > mostCopies {
		t.Errorf("copies are remembered beyond %d messages: %d", mostCopies, len(d.last))
	}
}
