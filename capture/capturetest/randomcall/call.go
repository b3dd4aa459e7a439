// Package randomcall makes random calls.
//
// Random draws a call from a seed and a set of Kinds: a caller, what stands between, one or more callees, and what a
// capture shows of their messages. One seed and one set give the same call in every run.
package randomcall

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"sipsieve/capture/capturetest/oracle"
)

// A Call is a random call.
type Call struct {
	Seed  uint64
	Kinds Kinds
	oracle.Call
}

// String writes c as oracle.Parse reads it, with its seed and kinds as a comment.
func (c *Call) String() string {
	return fmt.Sprintf("# seed %d: %s\n", c.Seed, c.Kinds) + c.Call.String()
}

// Random returns the call of a seed, of some of the kinds allowed.
func Random(seed uint64, allowed Kinds) Call { return RandomWith(seed, allowed, 0) }

// RandomWith is Random with the kinds always added, which are left out only if another kind excludes them.
func RandomWith(seed uint64, allowed, always Kinds) Call {
	r := rand.New(rand.NewPCG(seed, 0x5eed))
	var kinds Kinds
	for range [...]int{0, 1, 1, 2, 2, 3, 3, 4, 6, 9}[r.IntN(10)] {
		kinds |= 1 << r.IntN(int(KindCount))
	}
	kinds = (kinds&allowed | always).settle()
	n := newNetwork(r, kinds)
	n.callID = "c" + strconv.FormatUint(seed, 10)
	s := &script{network: n, t: n.between(0, time.Second)}
	s.play()
	if kinds.Has(Reuse) {
		s.t += 300 * time.Second
		if n.chance(2) {
			n.tag = "a2"
		}
		s.round = 1
		s.play()
	}
	if kinds.Has(TwoLegs) {
		n.secondLeg()
	}
	c := Call{Seed: seed, Kinds: kinds, Call: oracle.Call{Messages: n.sent}}
	v := recording{n, &c}
	v.mangle()
	return c
}

// inOrder sorts ms by time; messages of one time keep their order.
func inOrder(ms []oracle.Message) {
	slices.SortStableFunc(ms, func(a, b oracle.Message) int { return cmp.Compare(a.Time, b.Time) })
}
