package policy

import (
	"strings"
	"testing"
	"time"

	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/store/cpni"
)

const keepsBoth = "answer_time = { form = \"truncate:second\", because = \"t\" }\n" +
	"end_time = { form = \"truncate:second\", because = \"t\" }\n" +
	"duration_ms = { form = \"keep\", because = \"t\" }\ndisconnect_by = { form = \"keep\", because = \"t\" }\n"

// half of a call: tags in the order caller or sender of the BYE, other; and what is missing.
func aPart(call, from, to string, missing event.Missing, frozen []byte) *cpni.Record {
	c := &event.Call{FirstSeen: newYear, Disposition: event.Answered, Status: event.Partial, Missing: missing}
	if missing&event.NoInvite == 0 {
		c.Setup, c.Answer = newYear, aCallAnswer
	}
	if missing&event.NoBye == 0 {
		c.End, c.EndCause, c.EndSource = aCallEnd, event.EndNormal, event.Observed
	}
	if frozen == nil {
		for f, v := range map[facts.Fact]string{facts.CallIDText: call, facts.CallerTag: from, facts.CalleeTag: to} {
			c.Facts.Append(f, []byte(v))
		}
	} else {
		c.Missing, c.Restored = c.Missing|event.RestartGap, true
		cpni.AppendSnapshot(&c.Facts, "fraud", frozen)
	}
	r, _ := cpni.NewReader("US").Record(&event.Event{Kind: event.CallKind, Stage: event.Stop, Call: c})
	r.Site, r.Sensor, r.Source = "dfw1", "s1", "file"
	return &r
}

const lone = event.NoInvite | event.NoFinal | event.NoAck

// TestTwoHalvesGiveTheDurationAndWhoHungUp: of tags in either order, of either side's BYE, and after a restart of
// the host that saw the beginning.
func TestTwoHalvesGiveTheDurationAndWhoHungUp(t *testing.T) {
	u := boundPurpose(t, written("fraud", keepsBoth))
	for want, tags := range map[string][3]string{"caller": {"a", "b", "a"}, "callee": {"a", "b", "b"}, "caller ": {"b", "a", "b"},
		"callee ": {"b", "a", "a"}} {
		caller, callee, sender := tags[0], tags[1], tags[2]
		other := map[string]string{caller: callee, callee: caller}[sender]
		rest, _ := u.Minimise(nil, aPart("id", sender, other, lone, nil))
		begun := aPart("id", caller, callee, event.NoBye, nil)
		for name, r := range map[string]*cpni.Record{"at once": begun,
			"restarted": aPart("id", "", "", event.NoBye, u.Snapshot(nil, begun))} {
			whole, _ := u.Minimise(nil, r)
			x, ok := u.Complete(whole, rest)
			b := readBody(x.Body())
			if got := b.text("disconnect_by"); !ok || got != strings.TrimSpace(want) {
				t.Errorf("%v, %s: disconnect_by = %s, want %s", tags, name, got, want)
			}
			if got := string(b.get("duration_ms")); got != "61999" {
				t.Errorf("%v, %s: duration = %s, want 61999", tags, name, got)
			}
			if b.get(keyClock) != nil || b.get(keySide) != nil {
				t.Errorf("a call that is whole still shows its halves: %s", x.Body())
			}
		}
	}
}

// TestAMidCallStartThatTookTheCalleeForTheCallerIsTurnedRound: a re-INVITE of the callee was the first that was seen.
func TestAMidCallStartThatTookTheCalleeForTheCallerIsTurnedRound(t *testing.T) {
	u := boundPurpose(t, written("fraud", keepsBoth))
	whole, _ := u.Minimise(nil, aPart("id", "a", "b", event.NoBye, nil))
	mid, _ := u.Minimise(nil, aPart("id", "b", "a", event.NoInvite, nil))
	mid = published(t, strings.Replace(string(mid.Body()), `"disconnect_by":"unknown"`, `"disconnect_by":"caller"`, 1), "")
	x, _ := u.Complete(whole, mid)
	if got := readBody(x.Body()).text("disconnect_by"); got != "callee" {
		t.Errorf("disconnect_by = %s, want callee", got)
	}
}

// TestAHalfSaysNothingByItself: of calls with the same times, and tags in the same order, the clocks are anything
// and the sides are both.
func TestAHalfSaysNothingByItself(t *testing.T) {
	u := boundPurpose(t, written("fraud", keepsBoth))
	var high, first int
	clocks := map[uint64]bool{}
	for n := range 400 {
		x, _ := u.Minimise(nil, aPart(time.Duration(n).String(), "a", "b", event.NoBye, nil))
		h := readHalf(readBody(x.Body()))
		if !h.clock || !h.side {
			t.Fatalf("no halves in %s", x.Body())
		}
		clocks[h.time] = true
		if h.time > clockMask/2 {
			high++
		}
		if h.first {
			first++
		}
	}
	if len(clocks) != 400 || high < 140 || high > 260 || first < 140 || first > 260 {
		t.Errorf("of 400: %d clocks, %d in the upper half, %d first", len(clocks), high, first)
	}
}

// TestOnlyWhoKeepsItGetsAHalfAndOnlyOfAPart holds the purposes to what their policy names.
func TestOnlyWhoKeepsItGetsAHalfAndOnlyOfAPart(t *testing.T) {
	side := "disconnect_by = { form = \"keep\", because = \"t\" }\n"
	for lines, want := range map[string]string{
		"": "", "answer_time = { form = \"keep\", because = \"t\" }\n": "", "duration_ms = \"bucket:6s\"\n": "", side: keySide,
		"duration_ms = { form = \"keep\", because = \"t\" }\n": keyClock,
	} {
		u := boundPurpose(t, written("fraud", lines))
		for _, r := range []*cpni.Record{aPart("id", "a", "b", event.NoBye, nil), aPart("id", "a", "b", lone, nil)} {
			x, _ := u.Minimise(nil, r)
			for _, key := range []string{keyClock, keySide} {
				if got := readBody(x.Body()).get(key) != nil; got != (key == want) {
					t.Errorf("%q: %s is there: %t", lines, key, got)
				}
			}
		}
	}
	u := boundPurpose(t, written("fraud", keepsBoth))
	for _, missing := range []event.Missing{0, event.NoAck, event.NoInvite | event.NoBye} {
		if x, _ := u.Minimise(nil, aPart("id", "a", "b", missing, nil)); strings.Contains(string(x.Body()), "blind") {
			t.Errorf("missing %b: %s", missing, x.Body())
		}
	}
}
