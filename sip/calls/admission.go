package calls

import "sipsieve/sip/mem"

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
	noClass       uint32 = iota // answered
	lingerClass                 // published as over, and kept to assign late messages
	oneSidedClass               // taken up inside its dialog, and one side only was heard
	endedClass                  // the end was seen, a timer is awaited
	openClass                   // an INVITE that nobody took for a call yet
	ringingClass                // not answered, but somebody was found who could
)

// admission decides what is kept out, and which dialog is evicted, when there are more calls than the Limits allow.
type admission struct {
	classes mem.Lists // dialogs by class, oldest first
	sources sources
	bounds  [Bounds]uint64 // how often each limit was met
}

// refuse counts that b kept a message out.
func (a *admission) refuse(b Bound) bool {
	a.bounds[b]++
	return false
}

// evictable returns the dialog that goes when there is no room, 0 without one: what is told goes first, then the
// oldest of the fullest row, so that a flood makes room for itself. Of the calls that nobody took for one, those of
// the heaviest source go first. What rings goes last, what is answered never.
func (a *admission) evictable() (n uint32, why Bound) {
	if n = a.classes.First(lingerClass); n != 0 {
		return n, StragglerBound
	}
	fullest := openClass
	for _, row := range [...]uint32{oneSidedClass, endedClass} {
		if a.classes.Len(row) > a.classes.Len(fullest) {
			fullest = row
		}
	}
	switch n = a.classes.First(fullest); {
	case n == 0:
		return a.classes.First(ringingClass), RingingBound
	case fullest == oneSidedClass:
		return n, ClaimBound
	case fullest == endedClass:
		return n, EndedBound
	}
	if heavy := a.sources.heaviest(); heavy != 0 {
		return heavy, HeaviestBound
	}
	return n, OldestBound
}
