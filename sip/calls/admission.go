// This file has methods of Table because a file is what one kind of message, or one moment in the life of a call, does to it.

package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/hops"
)

// A Bound is why a limit kept a message out or made a call go.
type Bound uint8

// Bounds. The first four keep a message out, the others make a call go, but for the last two.
const (
	CallsBound     Bound = iota // no room, and nothing that may go
	SourceBound                 // its source has Limits.PerSource calls that nobody took for one
	RateBound                   // its source sent more than Limits.PerSecond
	ForksBound                  // its INVITE has 16 answers
	StragglerBound              // told before; a message that comes late may be taken for another call's
	ClaimBound                  // its beginning was not seen, and one side only was heard of it
	EndedBound                  // it had ended, and waited for messages that may have followed
	HeaviestBound               // the oldest of the source that had most
	OldestBound                 // the oldest that nobody took for a call
	RingingBound                // the oldest that rang
	HopsBound                   // no call: a hop of one with too many of them was not remembered
	RepeatsBound                // no call: the earliest messages of a long one are no longer known as repeats
	Bounds                      // how many there are
)

var boundWords = [Bounds]string{"calls_full", "source_open", "source_rate", "forks", "straggler", "claim", "ended",
	"heaviest_source", "oldest", "ringing", "hops", "repeats"}

// String returns the word that counters use.
func (b Bound) String() string { return boundWords[b] }

// Rows of dialogs that may go when there is no room, each in the order in which they came there.
const (
	nowhere  uint32 = iota // answered
	overRow                // published as over, and kept to assign late messages
	claimRow               // taken up inside its dialog, and one side only was heard
	endedRow               // the end was seen, a timer is awaited
	openRow                // an INVITE that nobody took for a call yet
	ringRow                // not answered, but somebody was found who could
)

// keepOut counts that b kept a message out.
func (t *Table) keepOut(b Bound) bool {
	t.counts.Bounds[b]++
	return false
}

// open returns a new dialog for m, 0 if there is no room.
func (t *Table) open(m *sip.Message, k event.Keys) uint32 {
	if !t.makeRoom() {
		t.keepOut(CallsBound)
		return 0
	}
	n := t.dialogs.New()
	d := t.dialogs.At(n)
	d.Index, d.Call, d.Root = k.Call.With(k.From), k.Call, n
	if m.Method == sip.Bye || m.Request() && k.To != (event.Key{}) {
		d.Index = d.Index.With(k.To) // found by both tags, until it is known whose they are
	}
	d.FirstSeen, d.Drift, d.Steps = m.Time.UnixNano(), t.Drift, t.Steps
	t.hops.Passed(&d.Path, m)
	d.Vias = m.Vias
	d.Reuse = t.uses.next(d)
	t.index[d.Index] = n
	if any := d.Call.AnyTag(); k.To == (event.Key{}) || t.index[any] == 0 {
		t.index[any] = n
	}
	t.markDirty(n)
	return n
}

// makeRoom reports whether there is room for one more dialog, after one has gone if need be.
func (t *Table) makeRoom() bool {
	if n := t.dialogs.Len(); n < t.limits.Calls && t.budget.Take(n) {
		return true
	}
	n, why := t.mostIdle()
	if n == 0 {
		return false
	}
	t.counts.Bounds[why]++
	if d := t.dialogs.At(n); d.Phase != dialog.Terminated {
		t.closeEvicted(n, d)
	}
	t.forget(n)
	return t.budget.Take(t.dialogs.Len())
}

// keepRoom undoes makeRoom: no dialog was opened.
func (t *Table) keepRoom() { t.budget.Give(t.dialogs.Len()) }

// mostIdle returns the dialog that goes when there is no room, 0 without one: what is told goes first, then the
// oldest of the fullest row, so that a flood makes room for itself. Of the calls that nobody took for one, those of
// the heaviest source go first. What rings goes last, what is answered never.
func (t *Table) mostIdle() (n uint32, why Bound) {
	if n = t.rows.First(overRow); n != 0 {
		return n, StragglerBound
	}
	fullest := openRow
	for _, row := range [...]uint32{claimRow, endedRow} {
		if t.rows.Len(row) > t.rows.Len(fullest) {
			fullest = row
		}
	}
	switch n = t.rows.First(fullest); {
	case n == 0:
		return t.rows.First(ringRow), RingingBound
	case fullest == claimRow:
		return n, ClaimBound
	case fullest == endedRow:
		return n, EndedBound
	}
	if heavy := t.sources.heaviest(); heavy != 0 {
		return heavy, HeaviestBound
	}
	return n, OldestBound
}

// move puts dialog n at the end of row to. While it stands in openRow it weighs on its source.
func (t *Table) move(n, to uint32) {
	d := t.dialogs.At(n)
	if t.sources.charged(n) && to != openRow {
		t.sources.refund(n, to == ringRow || to == nowhere && d.Answered(), &t.limits)
	}
	t.rows.Move(n, to)
	if !t.sources.charged(n) && to == openRow {
		t.sources.charge(n, &t.callersHop(d).Hop)
	}
}

// ringing takes n for a call, because the other side did.
func (t *Table) ringing(n uint32) {
	if t.rows.Of(n) == openRow {
		t.move(n, ringRow)
	}
}

// forget frees dialog n, which has been told.
func (t *Table) forget(n uint32) {
	d := t.dialogs.At(n)
	t.unsave(n, d)
	t.move(n, nowhere)
	t.lapses.Stop(n)
	t.interims.Stop(n)
	t.texts.Free(d.Text)
	if d.Counted {
		t.uses.note(d)
	}
	t.unlink(n, d)
	t.hops.Forget(&d.Path)
	if d.Guesses != 0 {
		*t.guesses.At(d.Guesses) = dialog.Guesses{}
		t.guesses.Free(d.Guesses)
	}
	*d = dialog.Dialog{}
	t.dialogs.Free(n)
	t.budget.Give(t.dialogs.Len())
}

// unlink takes n out of the forks of its INVITE; the next fork becomes the first if n was.
func (t *Table) unlink(n uint32, d *dialog.Dialog) {
	for p := d.Root; d.Root != n && p != 0; p = t.dialogs.At(p).Next {
		if q := t.dialogs.At(p); q.Next == n {
			q.Next = d.Next
			return
		}
	}
	for _, index := range [...]event.Key{d.Index, d.Call.AnyTag()} {
		switch {
		case t.index[index] != n: // another call has it by now
		case d.Next == 0:
			delete(t.index, index)
		default:
			t.index[index] = d.Next
		}
	}
	if d.Next == 0 {
		return
	}
	heir := t.dialogs.At(d.Next)
	heir.Path, heir.Guesses = d.Path, d.Guesses
	heir.Answers = d.Answers
	d.Path, d.Guesses = hops.Path{}, 0
	t.markDirty(d.Next)
	for p := d.Next; p != 0; p = t.dialogs.At(p).Next {
		t.dialogs.At(p).Root = d.Next
	}
}
