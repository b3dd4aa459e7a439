package policy

import (
	"strings"
	"testing"

	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/store/cpni"
)

// dialogOf returns the dialog in the excerpt of a call with these tags, and the body.
func dialogOf(t *testing.T, purpose, caller, callee string, missing event.Missing, d event.Disposition) (string, string) {
	t.Helper()
	c := &event.Call{FirstSeen: newYear, Missing: missing, Disposition: d}
	for f, v := range map[facts.Fact]string{facts.CallIDText: "id", facts.CallerTag: caller, facts.CalleeTag: callee} {
		c.Facts.Append(f, []byte(v))
	}
	r, _ := cpni.NewReader("US").Record(&event.Event{Kind: event.CallKind, Stage: event.Stop, Call: c})
	x, ok := boundPurpose(t, written(purpose, "")).Minimise(nil, &r)
	if !ok {
		t.Fatal("nothing is told")
	}
	return x.Dialog, string(x.Body())
}

func TestADialogIsTheSameFromEverySideAndForOnePurposeAlone(t *testing.T) {
	const byeAlone = event.NoInvite | event.NoFinal | event.NoAck
	whole, body := dialogOf(t, "billing", "a", "b", 0, event.Answered)
	if len(whole) != 26 || !strings.Contains(body, `","dialog":"`+whole+`","revision":`) {
		t.Errorf("dialog = %q in %s, want 26 characters behind the id", whole, body)
	}
	for _, tags := range [][2]string{{"a", "b"}, {"b", "a"}} {
		if bye, _ := dialogOf(t, "billing", tags[0], tags[1], byeAlone, event.Answered); bye != whole {
			t.Errorf("of a BYE alone of %v: dialog = %s, want %s", tags, bye, whole)
		}
	}
	if fork, _ := dialogOf(t, "billing", "a", "c", 0, event.Answered); fork == whole || fork == "" {
		t.Errorf("another fork's dialog = %q", fork)
	}
	if other, _ := dialogOf(t, "fraud", "a", "b", 0, event.Answered); other == whole || other == "" {
		t.Errorf("another purpose's dialog = %q", other)
	}
}

func TestThereIsNoDialogBeforeAnAnswer(t *testing.T) {
	for _, d := range []event.Disposition{0, event.Busy, event.Cancelled} {
		if dialog, body := dialogOf(t, "billing", "a", "b", 0, d); dialog != "" || !strings.Contains(body, `"dialog":null,`) {
			t.Errorf("disposition %d: dialog = %q in %s, want null", d, dialog, body)
		}
	}
	if dialog, _ := dialogOf(t, "billing", "a", "", 0, event.Answered); dialog != "" {
		t.Errorf("with one tag: dialog = %q, want none", dialog)
	}
}

// TestARestoredCallThatIsAnsweredLaterHasItsDialog: what was frozen before the answer has none, and stays as it was.
func TestARestoredCallThatIsAnsweredLaterHasItsDialog(t *testing.T) {
	u := boundPurpose(t, written("billing", ""))
	names := map[facts.Fact]string{facts.CallIDText: "id", facts.CallerTag: "a", facts.CalleeTag: "b"}
	want, _ := u.Minimise(nil, aCall(names))
	calling := &event.Call{FirstSeen: newYear, Setup: newYear}
	calling.Facts.Append(facts.CallIDText, []byte("id"))
	calling.Facts.Append(facts.CallerTag, []byte("a"))
	r, _ := cpni.NewReader("US").Record(&event.Event{Kind: event.CallKind, Stage: event.Interim, Call: calling})
	frozen := u.Snapshot(nil, &r)
	answered := func(frozen []byte) *cpni.Record {
		c := &event.Call{FirstSeen: newYear, Setup: newYear, Disposition: event.Answered, Missing: event.RestartGap, Restored: true}
		cpni.AppendSnapshot(&c.Facts, "billing", frozen)
		for f, v := range names {
			c.Facts.Append(f, []byte(v))
		}
		r, _ := cpni.NewReader("US").Record(&event.Event{Kind: event.CallKind, Stage: event.Stop, Call: c})
		return &r
	}
	x, _ := u.Minimise(nil, answered(frozen))
	again := u.Snapshot(nil, answered(frozen))
	y, _ := u.Minimise(nil, restored("billing", again, 0))
	for i, got := range []Excerpt{x, y} {
		if got.ID != want.ID || got.Dialog != want.Dialog || got.Dialog == "" {
			t.Errorf("after %d restarts: id, dialog = %s, %s, want %s, %s", i+1, got.ID, got.Dialog, want.ID, want.Dialog)
		}
	}
}
