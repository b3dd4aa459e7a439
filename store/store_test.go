package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

func excerpt(t *testing.T, kind, purpose, site string) policy.Excerpt {
	t.Helper()
	x, err := policy.Received(fmt.Appendf(nil, `{"schema":"sipsieve.%s/1","kind":"%[1]s","stage":"stop","id":"a",`+
		`"revision":1,"status":"complete","completeness":1,"purpose":"%s","policy":"p","class":"cpni",`+
		`"expires":"2026-11-24","site":"%s","sensor":"s","source":"file","table":"asr_by_trunk"}`, kind, purpose, site))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestSubjectsNamePurposeKindAndSite(t *testing.T) {
	for want, x := range map[string]policy.Excerpt{
		"cpni.v1.billing.call.dfw-1":              excerpt(t, "call", "billing", "dfw-1"),
		"aggregate.v1.capacity.asr_by_trunk.dfw1": excerpt(t, "aggregate", "capacity", "dfw1"),
	} {
		if got, err := Subject(x); got != want || err != nil {
			t.Errorf("subject = %q, %v, want %q", got, err, want)
		}
	}
}

func TestWhatIsNotANameGetsNoSubject(t *testing.T) {
	for _, site := range []string{"a.b", "*", ">", "Dfw", "a b", "+15551234567", strings.Repeat("a", 33)} {
		_, err := Subject(excerpt(t, "call", "billing", site))
		if !errors.Is(err, ErrName) {
			t.Errorf("site of %d characters: error = %v, want ErrName", len(site), err)
		}
		if err != nil && strings.Contains(err.Error(), site) && len(site) > 1 {
			t.Errorf("the error quotes the site: %v", err)
		}
	}
}

func TestTheLaterStageWinsBetweenSensorsAndTheRevisionWithinOne(t *testing.T) {
	type e = policy.Envelope
	seq := func(n uint64) policy.Sequence { return policy.Sequence{Stream: 1, Number: n} }
	for name, c := range map[string]struct {
		x, y e
		want bool
	}{
		"revision": {e{Sensor: "a", Revision: 2}, e{Sensor: "a", Revision: 1, Stage: "stop"}, true},
		"better body": {e{Sensor: "a", Revision: 2, Status: "complete"}, e{Sensor: "a", Revision: 2, Status: "partial",
			Completeness: 9}, true},
		"fuller body":     {e{Sensor: "a", Revision: 2, Completeness: 80}, e{Sensor: "a", Revision: 2, Completeness: 60}, true},
		"worse body":      {e{Sensor: "a", Revision: 2, Status: "partial"}, e{Sensor: "a", Revision: 2, Status: "complete"}, false},
		"old better":      {e{Sensor: "a", Revision: 1, Status: "complete"}, e{Sensor: "a", Revision: 2, Status: "partial"}, false},
		"stage":           {e{Sensor: "b", Stage: "stop"}, e{Sensor: "a", Stage: "answer", Status: "complete"}, true},
		"correction":      {e{Sensor: "b", Stage: "correction"}, e{Sensor: "a", Stage: "stop"}, true},
		"status":          {e{Sensor: "b", Status: "partial"}, e{Sensor: "a", Status: "evicted", Completeness: 9}, true},
		"completeness":    {e{Sensor: "b", Completeness: 80}, e{Sensor: "a", Completeness: 60}, true},
		"name":            {e{Sensor: "b"}, e{Sensor: "a"}, false},
		"not by revision": {e{Sensor: "b", Revision: 9}, e{Sensor: "a", Revision: 1}, false},
	} {
		x, y := policy.Excerpt{Envelope: c.x, Published: seq(1)}, policy.Excerpt{Envelope: c.y, Published: seq(2)}
		if got := Replaces(x, y); got != c.want {
			t.Errorf("%s: replaces = %t, want %t", name, got, c.want)
		}
	}
}

func TestOfEqualBodiesOfOneRevisionTheLaterPublishedStays(t *testing.T) {
	published := func(stream int64, number uint64) policy.Excerpt {
		return policy.Excerpt{Envelope: policy.Envelope{Sensor: "a", Revision: 2},
			Published: policy.Sequence{Stream: stream, Number: number}}
	}
	for name, c := range map[string]struct {
		x, y policy.Excerpt
		want bool
	}{
		"later":          {published(1, 8), published(1, 7), true},
		"earlier":        {published(1, 7), published(1, 8), false},
		"the same again": {published(1, 7), published(1, 7), false},
		"a new stream":   {published(2, 1), published(1, 8), true},
		"an old stream":  {published(1, 8), published(2, 1), false},
		"not known":      {published(0, 0), published(1, 8), true}, // the one that comes later
	} {
		if got := Replaces(c.x, c.y); got != c.want {
			t.Errorf("%s: replaces = %t, want %t", name, got, c.want)
		}
	}
}

func TestOfTwoDifferentExcerptsExactlyOneReplacesTheOther(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	number := uint64(0)
	draw := func() policy.Excerpt {
		number++
		return policy.Excerpt{Published: policy.Sequence{Stream: 1, Number: number}, Envelope: policy.Envelope{Sensor: string(rune('a' + random.IntN(3))), Revision: 1 + random.IntN(3),
			Stage:        cpni.StageWords()[random.IntN(5)],
			Status:       []string{"complete", "partial", "evicted"}[random.IntN(3)],
			Completeness: 20 * random.IntN(6)}}
	}
	for range 10000 {
		x, y := draw(), draw()
		if Replaces(x, y) == Replaces(y, x) {
			t.Fatalf("%+v and %+v: want that exactly one replaces the other", x, y)
		}
	}
}

func TestExpiredExcerptsAreCountedOncePut(t *testing.T) {
	fresh, late := excerpt(t, "call", "billing", "x"), excerpt(t, "call", "fraud", "x")
	fresh.Expires.Day = 25
	e := NewExpiry(func() policy.Date { return late.Expires })
	alive, expired := e.Alive([]policy.Excerpt{fresh, late, fresh, late})
	if len(alive) != 2 || alive[0].Purpose != "billing" || expired["fraud"] != 2 {
		t.Errorf("alive = %d, expired = %v, want 2 of billing and 2 expired of fraud", len(alive), expired)
	}
	if n := e.Suppressed()["fraud"]; n != 0 {
		t.Errorf("suppressed before the put = %d, want 0", n)
	}
	e.Count(expired)
	if n := e.Suppressed()["fraud"]; n != 2 {
		t.Errorf("suppressed = %d, want 2", n)
	}
}

func TestADirectoryHasOneOwner(t *testing.T) {
	dir := t.TempDir()
	release, err := Own(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Own(dir); !errors.Is(err, ErrOwned) {
		t.Errorf("error = %v, want ErrOwned", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	again, err := Own(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again()
}

func TestRefusedSaysWhichAndWhyButNoOddPurpose(t *testing.T) {
	err := error(Refused{{Purpose: "billing", Count: 3, Err: ErrFull}, {Purpose: "+15551234567", Count: 1, Err: ErrName}})
	if !errors.Is(err, ErrFull) || !errors.Is(err, ErrName) || errors.Is(err, ErrUnavailable) {
		t.Errorf("error = %v, want one that wraps its causes only", err)
	}
	if want := "store: refused billing: 3: full; 1: not a name"; err.Error() != want {
		t.Errorf("error = %q, want %q", err, want)
	}
}
