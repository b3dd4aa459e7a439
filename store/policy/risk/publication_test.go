package risk

import (
	"testing"
	"time"
)

// TestAWindowShowsNoMoment has when rows were made, and the spans that their publication shows.
func TestAWindowShowsNoMoment(t *testing.T) {
	begin := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	made := func(after time.Duration) row { return row{when: begin.Add(after)} }
	rows := []row{made(time.Second), made(59 * time.Second), made(time.Minute), made(121 * time.Second)}
	us := func(d time.Duration) int64 { return begin.Add(d).UnixMicro() }
	minute := func(n time.Duration) span { return span{us(n * time.Minute), us((n + 1) * time.Minute)} }
	for i, want := range []span{minute(0), minute(0), minute(1), minute(2)} {
		if got := moments(rows, time.Minute)[i]; got != want {
			t.Errorf("row %d in windows of a minute: %v, want %v", i, got, want)
		}
	}
	if got, want := moments(rows, 0)[1], (span{us(59 * time.Second), us(59*time.Second) + 1}); got != want {
		t.Errorf("at once: %v, want %v", got, want)
	}
}

// TestAFullWindowIsCut has more rows in a minute than a window takes: the first ones left when it was full.
func TestAFullWindowIsCut(t *testing.T) {
	begin := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	rows := make([]row, fullWindow+10)
	for i := range rows {
		rows[i].when = begin.Add(time.Duration(i) * time.Millisecond)
	}
	full := rows[fullWindow-1].when.UnixMicro() + 1
	got := moments(rows, time.Minute)
	if want := (span{begin.UnixMicro(), full}); got[0] != want || got[fullWindow-1] != want {
		t.Errorf("the full part: %v and %v, want %v", got[0], got[fullWindow-1], want)
	}
	if want := (span{full, begin.Add(time.Minute).UnixMicro()}); got[fullWindow] != want || got[fullWindow+9] != want {
		t.Errorf("the rest: %v, want %v", got[fullWindow], want)
	}
}
