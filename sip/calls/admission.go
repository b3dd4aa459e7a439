package calls

import "sipsieve/sip/mem"

// A Bound is a limit that refused a message or evicted a call.
type Bound uint8

// Bounds. The first four refuse a message, the last two shorten what is remembered of a call, the others evict a call.
const (
	CallsBound     Bound = iota // full, and no call may be evicted
	SourceBound                 // its source has Limits.PerSource calls without a response but 100
	RateBound                   // its source opened more than Limits.PerSecond
	ForksBound                  // its INVITE has 16 answers
	StragglerBound              // its end was published; a late message of it may be taken for another call's
	ClaimBound                  // its beginning was not seen, and messages of one side only
	EndedBound                  // its end was seen, and it waited for messages that may follow
	HeaviestBound               // the oldest call without a response but 100 of the source with most of them
	OldestBound                 // the oldest call without a response but 100
	RingingBound                // the oldest call that rang
	HopsBound                   // no eviction: a ninth hop of a call was not remembered
	RepeatsBound                // no eviction: the first messages of a long call are no longer known as repeats
	Bounds                      // how many there are
)

var boundWords = [Bounds]string{"calls_full", "source_open", "source_rate", "forks", "straggler", "claim", "ended",
	"heaviest_source", "oldest", "ringing", "hops", "repeats"}

// String returns the word that counters use.
func (b Bound) String() string { return boundWords[b] }

// Classes of dialogs, for the choice of the one that is evicted.
const (
	noClass       uint32 = iota // answered: never evicted
	lingerClass                 // its end was published, it is kept to assign late messages
	oneSidedClass               // its beginning was not seen, and messages of one side only
	endedClass                  // its end was seen, a timer runs
	openClass                   // an INVITE without a response but 100
	ringingClass                // a provisional response but 100, not answered
)

// admission decides what is kept out, and which dialog is evicted, when there are more calls than the Limits allow.
type admission struct {
	classes mem.Lists // dialogs by class, oldest first
	sources sources
	bounds  [Bounds]uint64 // how often each limit was met
}

// refuse counts a message that b refused. It returns false, for its caller to return.
func (a *admission) refuse(b Bound) bool {
	a.bounds[b]++
	return false
}

// evictable returns the dialog to evict, 0 without one, and the Bound to count it under. A dialog whose end was
// published is evicted first, then the oldest of the largest class, so that a flood evicts its own calls; of calls
// without a response but 100, those of the heaviest source. Ringing calls are evicted last, answered ones never.
func (a *admission) evictable() (n uint32, why Bound) {
	if n = a.classes.First(lingerClass); n != 0 {
		return n, StragglerBound
	}
	largest := openClass
	for _, class := range [...]uint32{oneSidedClass, endedClass} {
		if a.classes.Len(class) > a.classes.Len(largest) {
			largest = class
		}
	}
	switch n = a.classes.First(largest); {
	case n == 0:
		return a.classes.First(ringingClass), RingingBound
	case largest == oneSidedClass:
		return n, ClaimBound
	case largest == endedClass:
		return n, EndedBound
	}
	if heavy := a.sources.heaviest(); heavy != 0 {
		return heavy, HeaviestBound
	}
	return n, OldestBound
}
