package track

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/mem"
)

// unsaved are the fields of a dialog that its state leaves out, and why.
var unsaved = map[string]string{
	"text":       "what the store froze takes the place of the Facts",
	"root":       "a number of this Tracker",
	"next":       "a number of this Tracker",
	"path":       "numbers of this Tracker; what they stand for is saved, the messages in part",
	"guesses":    "a number of this Tracker; what it stands for is saved",
	"regathered": "of this Tracker's Changed",
	"restored":   "set by Restore",
}

// unsavedOfAHop are the fields of what a hop has shown that a state leaves out, and why.
var unsavedOfAHop = map[string]string{
	"next":          "a number of this Tracker",
	"forking":       "a number of this Tracker; what it stands for is saved",
	"tagless":       "a number of this Tracker; what it stands for is saved",
	"first.ends":    "a number of this Tracker; what it stands for is saved",
	"hop.vlan":      "read of a record's flow, and frozen",
	"hop.transport": "read of a record's flow, and frozen",
	"hop.link":      "read of a record's flow, and frozen",
	"hop.point":     "read of a record's flow, and frozen",
	"hop.v4":        "read of a record's flow, and frozen",
	"hop.veil":      "all of it is veiled",
}

// fill sets every field of v to another small value, from *n on, and bools to true.
func fill(v reflect.Value, n *uint64) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(access(v.Field(i)), n)
		}
	case reflect.Array, reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		*n++
		v.SetInt(int64(*n))
	default:
		*n++
		v.SetUint(*n % 251)
	}
}

// access returns v, a field that is not exported, so that it can be set.
func access(v reflect.Value) reflect.Value {
	return reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem()
}

// differing returns the paths of the fields in which a and b differ.
func differing(path string, a, b reflect.Value) (paths []string) {
	if a.Kind() == reflect.Struct {
		for i := range a.NumField() {
			name := strings.TrimPrefix(path+"."+a.Type().Field(i).Name, ".")
			paths = append(paths, differing(name, access(a.Field(i)), access(b.Field(i)))...)
		}
		return paths
	}
	if !reflect.DeepEqual(a.Interface(), b.Interface()) {
		paths = append(paths, path)
	}
	return paths
}

func TestEveryFieldOfADialogIsSavedOrNamed(t *testing.T) {
	var n uint64
	in := restored{hops: savedPath{views: make([]savedView, 2), prints: make([]uint32, 5)}}
	fill(reflect.ValueOf(&in).Elem(), &n)
	in.nlegs, in.row = branches, uint8(ringRow)
	in.phase, in.cause, in.known = confirmed, event.EndTransfer, event.SessionTimer
	in.transfer, in.offered = event.Blind, event.Attended
	for _, e := range []*ending{&in.ended, &in.unended, &in.early} {
		e.side = event.Callee
	}
	for i := range in.hops.views {
		h := &in.hops.views[i]
		h.forks, h.others.n = 200, len(h.others.tags)
		for j := range h.ends {
			h.ends[j][0].side, h.ends[j][1].side = event.Callee, event.Caller
		}
		h.untagged[0].side, h.untagged[1].side = event.Network, event.Callee
		for j := range h.others.forks {
			h.others.forks[j].ends = 0 // saved by what it stands for
		}
		h.others.tags[0] = h.first.tag
	}
	c := mem.Coder{}
	in.code(&c)
	out, err := readDialog(c.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	checkLeftOut(t, unsaved, differing("", reflect.ValueOf(&in.dialog).Elem(), reflect.ValueOf(&out.dialog).Elem()))
	for i := range in.hops.views {
		a, b := &in.hops.views[i], &out.hops.views[i]
		in, out := reflect.ValueOf(&a.hopFacts).Elem(), reflect.ValueOf(&b.hopFacts).Elem()
		checkLeftOut(t, unsavedOfAHop, differing("", in, out))
		if a.others != b.others || a.ends != b.ends || a.untagged != b.untagged {
			t.Error("the forks of a hop are read back otherwise")
		}
	}
	if in.asked != out.asked || !slices.Equal(in.hops.prints, out.hops.prints) || in.row != out.row || in.due != out.due ||
		in.interim != out.interim || !out.head {
		t.Error("what stands beside the dialog is read back otherwise")
	}
}

// checkLeftOut checks that the fields that were read back otherwise are those that are named.
func checkLeftOut(t *testing.T, named map[string]string, otherwise []string) {
	t.Helper()
	left := map[string]bool{}
	for _, path := range otherwise {
		top, _, _ := strings.Cut(path, ".")
		if left[path], left[top] = true, true; named[path] == "" && named[top] == "" {
			t.Errorf("%s: read back otherwise, and not named", path)
		}
	}
	for path := range named {
		if !left[path] {
			t.Errorf("%s: named as left out, and saved", path)
		}
	}
}

// A journal keeps what Trackers hand out, as the collector does; Facts stand for what the store would freeze.
type journal struct {
	names []event.Key
	saved map[event.Key]Saved
	facts map[event.Key]facts.Facts
	clock *Saved
}

func (j *journal) take(changed []Saved) {
	for _, s := range changed {
		switch {
		case s.Name == event.Key{}:
			j.clock = &s
		case s.Gone:
			delete(j.saved, s.Name)
		default:
			if j.names = append(j.names, s.Name); s.Event != nil {
				j.facts[s.Name] = s.Event.Call.Facts
			}
			j.saved[s.Name] = s
		}
	}
}

func newJournal() *journal {
	return &journal{saved: map[event.Key]Saved{}, facts: map[event.Key]facts.Facts{}}
}

// into restores all of j in a new Tracker that tells stages.
func (j *journal) into(t testing.TB, stages event.Stages) *Tracker {
	t.Helper()
	tr := New(DefaultLimits())
	tr.Tell(stages)
	tr.Save(testKeyer)
	if j.clock != nil {
		if err := tr.Restore(*j.clock, facts.Facts{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, head := range []bool{true, false} {
		for _, name := range j.names {
			s, ok := j.saved[name]
			if !ok || s.Head() != head {
				continue
			}
			delete(j.saved, name)
			if err := tr.Restore(s, j.facts[name]); err != nil {
				t.Fatal(err)
			}
		}
	}
	return tr
}

// restarted shows ms to a Tracker, another one from message cut on, waits, and returns the Events of both.
func restarted(t testing.TB, ms []sip.Message, cut int, wait time.Duration) (events []event.Event, n Counts) {
	t.Helper()
	stages := event.StagesOf(event.Stop, event.Correction)
	j := newJournal()
	before := New(DefaultLimits())
	before.Tell(stages)
	before.Save(testKeyer)
	for i := range ms[:cut] {
		events = before.Observe(events, &ms[i], testKeyer.Of(&ms[i]))
		j.take(before.Changed(nil))
	}
	after := j.into(t, stages)
	for i := cut; i < len(ms); i++ {
		events = after.Observe(events, &ms[i], testKeyer.Of(&ms[i]))
		after.Changed(nil)
	}
	if wait > 0 {
		events = after.Advance(events, ms[len(ms)-1].Time.Add(wait))
	}
	return after.Finish(events), after.Counts()
}

// withGap returns what is told of c if it has gap, RestartGap or nothing.
func withGap(c *event.Call, gap event.Missing) string {
	d := *c
	if d.Missing |= gap; gap != 0 && d.Status == event.Complete {
		d.Status = event.Partial
	}
	return fmt.Sprint(say(&d), d.Facts.Bytes())
}

// notSaved are stories of what is no call yet when the restart comes: a BYE or a re-INVITE of an unknown call that
// waits for its 2xx.
var notSaved = []string{"only the BYE and its answer are seen", "a call is taken up after its ACK",
	"a call is taken up at a re-INVITE"}

// betweenCopies reports whether the message at cut is the second copy of one packet: what copies are known by is lost.
func betweenCopies(ms []sip.Message, cut int) bool {
	return cut > 0 && cut < len(ms) && ms[cut].Mark != 0 && ms[cut].Mark == ms[cut-1].Mark
}

// TestARestartChangesNothingButTheGap restarts at every message of every story.
func TestARestartChangesNothingButTheGap(t *testing.T) {
	t.Parallel()
	for _, s := range allStories() {
		ms := play(t, s.ladder)
		if len(ms) == 0 {
			continue
		}
		want := outcomes(t, ms, s.wait)
		for cut := range len(ms) + 1 {
			if betweenCopies(ms, cut) || cut == 1 && slices.Contains(notSaved, s.name) ||
				cut > 0 && strings.Contains(s.ladder, "INVITE tag=two") && strings.Contains(s.ladder, "INVITE tag=one") {
				continue // a fork that answers after the restart has a test of its own
			}
			events, _ := restarted(t, ms, cut, s.wait)
			got := last(events)
			if len(got) != len(want) {
				t.Errorf("%s, cut at %d: %d calls, want %d", s.name, cut, len(got), len(want))
				continue
			}
			for i := range got {
				if a, b := withGap(got[i], 0), withGap(want[i], got[i].Missing&event.RestartGap); a != b {
					t.Errorf("%s, cut at %d:\n got %s\nwant %s", s.name, cut, say(got[i]), say(want[i]))
				}
			}
		}
	}
}

func TestAStateOfAnotherVersionIsRefused(t *testing.T) {
	tr := New(DefaultLimits())
	tr.Save(testKeyer)
	ms := play(t, answeredCall)
	for i := range ms {
		tr.Observe(nil, &ms[i], testKeyer.Of(&ms[i]))
	}
	s := tr.Changed(nil)[0]
	for cut := range len(s.State) {
		one := Saved{Name: s.Name, State: s.State[:cut]}
		if err := tr.Restore(one, facts.Facts{}); !errors.Is(err, ErrState) {
			t.Errorf("cut at %d: err = %v, want ErrState", cut, err)
		}
	}
	s.State = slices.Clone(s.State)
	s.State[0]++
	if err := tr.Restore(s, facts.Facts{}); !errors.Is(err, ErrState) {
		t.Errorf("err = %v, want ErrState", err)
	}
}

// TestNothingOfAnAddressIsInAState looks for the addresses and ports of a ladder.
func TestNothingOfAnAddressIsInAState(t *testing.T) {
	tr := New(DefaultLimits())
	tr.Save(testKeyer)
	ms := play(t, answeredCall)
	for i := range ms {
		tr.Observe(nil, &ms[i], testKeyer.Of(&ms[i]))
	}
	for _, s := range tr.Changed(nil) {
		for _, end := range []string{ms[0].Flow.Src.Addr().String(), ms[0].Flow.Dst.Addr().String()} {
			if bytes.Contains(s.State, []byte(end)) {
				t.Error("an address in text")
			}
		}
		src, dst := ms[0].Flow.Src.Addr().AsSlice(), ms[0].Flow.Dst.Addr().AsSlice()
		if bytes.Contains(s.State, src) || bytes.Contains(s.State, dst) {
			t.Error("an address in bytes")
		}
	}
}
