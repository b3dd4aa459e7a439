package randomcall

import "strings"

// A Kind is one thing that can be particular about a call.
type Kind uint8

// Kinds of calls. A call without any is an INVITE between two addresses that is answered and ended by a BYE.
const (
	Challenge       Kind = iota // 401 or 407 and the next try
	Redirect                    // 3xx and the next try
	Retry                       // 422, 503 and others, and the next try within 2 s
	LateRetry                   // a next try that comes too late: a call of its own
	Forks                       // several To tags
	SecondFork                  // two of them answer
	Refusal                     // a refusal ends it
	Cancel                      // the caller gives up
	CancelRace                  // a CANCEL and an answer cross
	CancelCross                 // a CANCEL and another refusal cross
	Queue                       // 183 again and again
	LongRing                    // silence for longer than `Ring` before the outcome
	NoFinal                     // nothing after the provisional responses, or nothing at all
	EarlyBye                    // BYE in the early dialog, accepted
	EarlyByeRefused             // BYE in the early dialog, refused
	EarlyByeFork                // BYE to one of several early forks
	RefusedBye                  // a BYE that gets no 2xx, and the call goes on
	LastBye                     // the last BYE gets no 2xx
	ByeChallenge                // 401 or 407 to the BYE
	ByeGlare                    // both sides send BYE
	Reinvite                    // re-INVITE and UPDATE, accepted
	Hold                        // one side holds the other
	RefusedReinvite             // re-INVITE refused or cancelled
	LostDialog                  // 481 or 408 to a re-INVITE, no BYE
	LostThenBye                 // 481 or 408 to a re-INVITE, with a BYE before or after
	Timer                       // Session-Expires and refreshes
	NoBye                       // the end is not seen
	Refer                       // REFER, accepted or not
	Foreign                     // requests with tags of no dialog of the call
	Proxy                       // a proxy between, both hops seen
	Chain                       // two proxies between
	TwoAddresses                // what stands between has two addresses
	Hiding                      // what stands between rewrites To tags and strips Vias
	Direct                      // requests inside the dialog do not pass the proxy
	FarOnly                     // of two hops only the one behind the proxy is captured
	Repeats                     // retransmissions
	Loss                        // one message on one hop is missing
	Taps                        // two taps show packets twice
	MidCall                     // the capture begins in the middle
	Cut                         // the capture ends in the middle
	OneWay                      // one direction is not seen
	Reuse                       // the Call-ID is used again
	NoAnswer                    // neither the 2xx nor the ACK of the answer is seen
	NextCarrier                 // the proxy tries another target first, which refuses
	KilledFork                  // a second answer that what stands between ends by itself
	EarlyUpdate                 // PRACK and UPDATE in the early dialog
	TwoLegs                     // a B2BUA that keeps the Call-ID: two calls
	ByeInReinvite               // BYE while a re-INVITE is under way, both accepted
	LateCopy                    // a late copy of a message of one of two answered forks
	KindCount
)

var kindNames = [KindCount]string{"challenge", "redirect", "retry", "late_retry", "forks", "second_fork", "refusal",
	"cancel", "cancel_race", "cancel_cross", "queue", "long_ring", "no_final", "early_bye", "early_bye_refused",
	"early_bye_fork", "refused_bye", "last_bye", "bye_challenge", "bye_glare", "reinvite", "hold", "refused_reinvite",
	"lost_dialog", "lost_then_bye", "timer", "no_bye", "refer", "foreign", "proxy", "chain", "two_addresses", "hiding",
	"direct", "far_only", "repeats", "loss", "taps", "mid_call", "cut", "one_way", "reuse", "no_answer", "next_carrier",
	"killed_fork", "early_update", "two_legs", "bye_in_reinvite", "late_copy"}

// String returns the name of k.
func (k Kind) String() string { return kindNames[k] }

// Kinds is a set of Kinds.
type Kinds uint64

// AllKinds are all there are.
const AllKinds Kinds = 1<<KindCount - 1

// KindsOf returns the set of ks.
func KindsOf(ks ...Kind) (set Kinds) {
	for _, k := range ks {
		set |= 1 << k
	}
	return set
}

// Has reports whether one of ks is in s.
func (s Kinds) Has(ks ...Kind) bool { return s&KindsOf(ks...) != 0 }

// String lists the names of s.
func (s Kinds) String() string {
	var names []string
	for k := range KindCount {
		if s.Has(k) {
			names = append(names, k.String())
		}
	}
	return strings.Join(names, " ")
}

// ParseKinds returns the set of the names in text; what is no name is left out.
func ParseKinds(text string) (s Kinds) {
	for _, name := range strings.Fields(text) {
		for k := range KindCount {
			if k.String() == name {
				s |= 1 << k
			}
		}
	}
	return s
}

// excluded are kinds that one call cannot have together, each with the reason beside it.
var excluded = []struct{ one, others Kinds }{
	// One outcome of an attempt.
	{KindsOf(Refusal), KindsOf(Cancel, CancelRace, CancelCross, NoFinal, EarlyBye)},
	{KindsOf(Cancel), KindsOf(CancelRace, CancelCross, NoFinal, EarlyBye)},
	{KindsOf(CancelRace), KindsOf(CancelCross, NoFinal, EarlyBye, SecondFork)},
	{KindsOf(CancelCross), KindsOf(NoFinal, EarlyBye)},
	{KindsOf(NoFinal), KindsOf(EarlyBye)},
	// One of what can happen in the early dialog.
	{KindsOf(EarlyBye), KindsOf(EarlyByeRefused, EarlyByeFork, Forks, SecondFork)},
	{KindsOf(EarlyByeRefused), KindsOf(EarlyByeFork, Queue, LongRing)},
	{KindsOf(EarlyByeFork), KindsOf(Queue, LongRing, SecondFork)},
	// One end of a talk.
	{KindsOf(LastBye), KindsOf(ByeChallenge, ByeGlare, LostDialog, LostThenBye, NoBye)},
	{KindsOf(ByeChallenge), KindsOf(ByeGlare, LostDialog, LostThenBye, NoBye)},
	{KindsOf(ByeGlare), KindsOf(LostDialog, LostThenBye, NoBye)},
	{KindsOf(LostDialog), KindsOf(LostThenBye, NoBye, Reuse)},
	{KindsOf(LostThenBye), KindsOf(NoBye)},
	{KindsOf(NoBye), KindsOf(Reuse)},
	// Queue and LongRing last too long for what waits beside them.
	{KindsOf(Queue), KindsOf(LongRing)},
	// One topology.
	{KindsOf(Proxy), KindsOf(Chain)},
	{KindsOf(Hiding), KindsOf(Direct, SecondFork, EarlyByeFork, MidCall, FarOnly)},
	// Behind a proxy that forks, each of its hops could be the caller's.
	{KindsOf(FarOnly), KindsOf(Forks, SecondFork, EarlyByeFork, Direct)},
	// One thing that is missing at a time: what two together leave open cannot be decided.
	{KindsOf(Loss), KindsOf(Reuse, Repeats, OneWay, MidCall, Cut, SecondFork, CancelCross, FarOnly, Foreign, NoBye)},
	{KindsOf(OneWay), KindsOf(MidCall, Cut, SecondFork, Timer, NoBye, Challenge, Redirect, Retry, LateRetry, Foreign,
		Forks, LostThenBye, Reuse, Proxy, Chain, TwoAddresses, Hiding, EarlyBye, EarlyByeRefused, EarlyByeFork, RefusedBye,
		ByeChallenge)},
	{KindsOf(NextCarrier), KindsOf(NoFinal, Cut, FarOnly, Forks, Hiding, Direct, MidCall, NoAnswer)},
	{KindsOf(KilledFork), KindsOf(Forks, SecondFork, EarlyByeFork, Loss, MidCall, NoAnswer, Refusal, NoFinal, Cancel,
		CancelRace, CancelCross, EarlyBye, EarlyByeRefused, TwoLegs)},
	{KindsOf(EarlyUpdate), KindsOf(NoAnswer, NoFinal, OneWay, MidCall, Loss, EarlyBye, Cut)},
	{KindsOf(TwoLegs), KindsOf(Proxy, Chain, TwoAddresses, Hiding, Direct, FarOnly, Reuse, OneWay, Foreign, NoAnswer)},
	{KindsOf(LateCopy), KindsOf(MidCall, Loss, Reuse, LateRetry)},
	{KindsOf(ByeInReinvite), KindsOf(LastBye, ByeChallenge, ByeGlare, LostDialog, LostThenBye, NoBye, Loss, MidCall,
		OneWay, NoAnswer, Cut)},
	{KindsOf(NoAnswer), KindsOf(Loss, Cut, MidCall, OneWay, SecondFork, Cancel, CancelRace, CancelCross, EarlyBye,
		EarlyByeRefused, EarlyByeFork, Forks, Foreign, Reuse, Timer, RefusedBye, Direct, Hiding)},
	{KindsOf(MidCall), KindsOf(CancelRace, Repeats, Cut, SecondFork, Foreign, Reuse, Forks, RefusedBye, ByeChallenge,
		LateRetry, EarlyBye, EarlyByeRefused, EarlyByeFork)},
	{KindsOf(Cut), KindsOf(Reuse, LateRetry)},
	{KindsOf(SecondFork), KindsOf(Hold, Refer, RefusedReinvite, LostDialog, NoBye)},
}

// settle leaves out of s what cannot be together, the later of two.
func (s Kinds) settle() Kinds {
	if s.Has(KilledFork) {
		s |= KindsOf(Hiding)
	}
	if s.Has(LateCopy) {
		s |= KindsOf(SecondFork)
	}
	if s.Has(Hiding, TwoAddresses, Direct, FarOnly, NextCarrier) && !s.Has(Proxy, Chain) {
		s |= KindsOf(Proxy)
	}
	if s.Has(SecondFork, EarlyByeFork) {
		s |= KindsOf(Forks)
	}
	for _, x := range excluded {
		if s&x.one != 0 {
			s &^= x.others
		}
	}
	if !s.Has(Proxy, Chain) {
		s &^= KindsOf(Hiding, TwoAddresses, Direct, FarOnly, NextCarrier, KilledFork)
	}
	if !s.Has(Forks) {
		s &^= KindsOf(SecondFork, EarlyByeFork)
	}
	if !s.Has(SecondFork) {
		s &^= KindsOf(LateCopy)
	}
	if !s.Has(Hiding) {
		s &^= KindsOf(KilledFork)
	}
	return s
}
