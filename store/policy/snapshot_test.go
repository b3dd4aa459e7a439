package policy

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/store/cpni"
)

// restored returns a call as aCall's is after a restart: what was frozen is all that is left of its texts.
func restored(purpose string, frozen []byte, missing event.Missing) *cpni.Record {
	c := &event.Call{FirstSeen: newYear, Setup: newYear, Answer: aCallAnswer, End: aCallEnd, Disposition: event.Answered,
		Code: 200, Cause: 16, EndCause: event.EndNormal, EndSource: event.Observed, Status: event.Partial, Completeness: 100,
		Vias: 2, Missing: missing | event.RestartGap, Restored: true}
	cpni.AppendSnapshot(&c.Facts, purpose, frozen)
	r, _ := cpni.NewReader("US").Record(&event.Event{Time: newYear, Kind: event.CallKind, Stage: event.Stop, Revision: 2,
		Call: c})
	r.Site, r.Sensor, r.Source = "dfw1", "s1", "file"
	return &r
}

// FuzzARestoredCallIsToldAsItWouldHaveBeen: whatever the policy and the texts, what is minimised after a restart is
// what would have been, but for the gap; and under another policy, nothing that was read of a text.
func FuzzARestoredCallIsToldAsItWouldHaveBeen(f *testing.F) {
	f.Add(uint64(1), "+13035550142")
	f.Add(uint64(2), "anonymous")
	f.Add(uint64(3), "user")
	f.Add(uint64(4), "911")
	f.Add(uint64(8), "\"\\\x00\x7f\xff")
	f.Fuzz(func(t *testing.T, seed uint64, text string) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		text = text[:min(len(text), 256)] // so that all texts fit into the 32 KiB of a call
		purpose := cpni.Purposes()[seed%5]
		lines, _ := randomLines(rnd, purpose)
		u := boundPurpose(t, written(purpose, lines))
		texts := map[facts.Fact]string{facts.PriorityEmergency: "1"}
		for fact := range facts.Frozen {
			if rnd.IntN(4) > 0 && fact != facts.PriorityEmergency {
				texts[fact] = text
			}
		}
		_, want := minimised(t, u, aCall(texts))
		frozen := u.Snapshot(nil, aCall(texts))
		_, got := minimised(t, u, restored(purpose, frozen, 0))
		want["status"], want["missing"] = `"partial"`, `["restart_gap"]`
		if len(frozen) < mostSnapshot-len(text) && !maps.Equal(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
		if again := u.Snapshot(nil, restored(purpose, frozen, 0)); string(again) != string(frozen) {
			t.Error("frozen again, it is something else")
		}
		other := boundPurpose(t, written(purpose, lines+"# reviewed\n"))
		_, got = minimised(t, other, restored(purpose, frozen, 0))
		for field := range cpni.Field(cpni.Fields()) {
			if v, named := got[field.String()]; named && !field.Remembered() && v != "null" {
				t.Errorf("%s: %s is told under a policy that it was not frozen under", field, v)
			}
		}
		if got["id"] != want["id"] {
			t.Errorf("id = %s, want %s", got["id"], want["id"])
		}
	})
}

func TestACallWithoutItsINVITEKeepsBothItsIDs(t *testing.T) {
	const lone = event.NoInvite | event.NoFinal | event.NoAck
	u := boundPurpose(t, written("billing", ""))
	texts := map[facts.Fact]string{facts.CallIDText: "id", facts.CallerTag: "b", facts.CalleeTag: "a"}
	taken := func(missing event.Missing) *cpni.Record {
		c := &event.Call{FirstSeen: newYear, Missing: missing}
		for f, v := range texts {
			c.Facts.Append(f, []byte(v))
		}
		r, _ := cpni.NewReader("US").Record(&event.Event{Kind: event.CallKind, Stage: event.Stop, Call: c})
		return &r
	}
	frozen := u.Snapshot(nil, taken(event.NoInvite))
	for _, missing := range []event.Missing{event.NoInvite, lone} {
		x, _ := u.Minimise(nil, taken(missing))
		y, _ := u.Minimise(nil, restored("billing", frozen, missing))
		if x.ID != y.ID {
			t.Errorf("missing %b: id = %s, want %s", missing, y.ID, x.ID)
		}
	}
}

// TestAPurposeThatBecomesNarrowerHasNoMoreOfARestoredCall changes a policy between two starts.
func TestAPurposeThatBecomesNarrowerHasNoMoreOfARestoredCall(t *testing.T) {
	texts := map[facts.Fact]string{facts.CallIDText: "id", facts.CallerTag: "b", facts.CallerNumber: "+13035550142"}
	src := written("fraud", "caller_number = { form = \"e164\", because = \"x\" }\n"+
		"duration_ms = { form = \"keep\", because = \"x\" }\n")
	frozen := boundPurpose(t, src).Snapshot(nil, aCall(texts))
	narrow := boundPurpose(t, strings.Replace(src, "kinds =", "when = \"emergency\"\nkinds =", 1))
	if _, ok := narrow.Minimise(nil, restored("fraud", frozen, 0)); ok {
		t.Error("a call that is none of an emergency is told to a purpose of emergencies")
	}
	if _, ok := boundPurpose(t, src).Minimise(nil, restored("billing", frozen, 0)); ok {
		t.Error("a purpose is told what was frozen for another")
	}
	x, ok := boundPurpose(t, src).Minimise(nil, restored("fraud", frozen, 0))
	if body := string(x.Body()); !ok || !strings.Contains(body, `"caller_number":"+13035550142"`) ||
		!strings.Contains(body, `"duration_ms":61999`) {
		t.Errorf("told = %v", body)
	}
}

func TestWhatIsFrozenIsBounded(t *testing.T) {
	lines := ""
	for _, name := range []string{"caller_domain", "dialed_domain", "stir_certificate_host", "visited_network",
		"auth_realm"} {
		lines += fmt.Sprintf("%s = { form = \"known\", list = \"words\", because = \"x\" }\n", name)
	}
	long := strings.Repeat("x", 1500)
	u := boundPurpose(t, strings.Replace(written("billing", lines), "PCMU", long, 1))
	texts := map[facts.Fact]string{facts.CallIDText: "id"}
	for fact := facts.CallerTag; fact < facts.Frozen; fact++ {
		texts[fact] = long
	}
	frozen := u.Snapshot(nil, aCall(texts))
	if len(frozen) > mostSnapshot {
		t.Errorf("frozen = %d bytes, want %d at most", len(frozen), mostSnapshot)
	}
	if _, got := minimised(t, u, restored("billing", frozen, 0)); !strings.Contains(fmt.Sprint(got), "xxx") {
		t.Error("nothing was kept")
	}
}

// A snapshot value of a field whose mark has changed since, perhaps from text, is not published.
func TestWhatWasFrozenUnderAnotherRegisterIsNotTold(t *testing.T) {
	src := written("billing", "called_number = { form = \"e164\", because = \"t\" }\n")
	texts := map[facts.Fact]string{facts.CallIDText: "id", facts.CalledNumber: "+13035550142"}
	f, _ := cpni.FieldOf("called_number")
	e := f.Entry()
	was := *e
	e.Pattern = "^.*$"
	frozen := boundPurpose(t, src).Snapshot(nil, aCall(texts))
	*e = was
	for _, c := range []struct {
		frozen []byte
		want   string
	}{{frozen, "null"}, {boundPurpose(t, src).Snapshot(nil, aCall(texts)), `"+13035550142"`}} {
		if _, got := minimised(t, boundPurpose(t, src), restored("billing", c.frozen, 0)); got["called_number"] != c.want {
			t.Errorf("called_number = %s, want %s", got["called_number"], c.want)
		}
	}
}
