package policy

import (
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"sipsieve/sip/facts"
	"sipsieve/store/cpni"
)

// The expiry of a day is remembered: it is that of every record of the day, also of one at its very beginning or end.
func TestARememberedExpiryIsThatOfTheDay(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, unit := range []string{"", "second", "month"} {
		for _, retain := range []Retention{{Days: 30}, {Months: 18}, {Years: 1}} {
			g := program{unit: unit, purpose: &Purpose{Retain: retain}}
			at := time.Date(2027, 12, 28, 0, 0, 0, 0, time.UTC)
			for range 5000 {
				at = at.Add(time.Duration(rnd.Int64N(int64(9 * time.Hour))))
				for _, one := range []time.Time{at, at.Truncate(24 * time.Hour), at.Truncate(24 * time.Hour).Add(1),
					at.Truncate(24 * time.Hour).Add(-1)} {
					want := expiry(one, unit, retain)
					if date, text := g.expires(one); date != want || text != want.String() {
						t.Fatalf("%s, %v, cut to %q: expires %v, %s, want %v", one, retain, unit, date, text, want)
					}
				}
			}
		}
	}
}

func FuzzClockWritesWhatTimeDoes(f *testing.F) {
	f.Add(int64(0), uint8(0))
	f.Add(int64(-1), uint8(1))
	f.Add(int64(951782400123456), uint8(5)) // 29 February 2000
	f.Add(int64(253402300799999999), uint8(2))
	f.Fuzz(func(t *testing.T, us int64, n uint8) {
		us %= 253402300800000000
		var c clock
		_ = c.append(nil, us/3, "") // of another day
		unit := append([]string{""}, units...)[int(n)%(len(units)+1)]
		if got, want := string(c.append(nil, us, unit)), string(appendTime(nil, time.UnixMicro(us), unit)); got != want {
			t.Errorf("%d cut to %q: %s, want %s", us, unit, got, want)
		}
	})
}

// What was remembered of a record for its pseudonyms is gone when its excerpt is made.
func TestNothingOfARecordOutlivesIt(t *testing.T) {
	u := boundPurpose(t, written("fraud", "caller_number = \"pseudonym\"\ncalled_number = \"pseudonym\"\n"))
	x, kept := u.Minimise(nil, aCall(map[facts.Fact]string{facts.CallerNumber: "+13035550142",
		facts.CalledNumber: "+13035550143"}))
	made := u.writer.made[:cap(u.writer.made)]
	if !kept || len(made) < 2 || len(u.writer.made) != 0 {
		t.Fatalf("kept %v, %d of %d pseudonyms are remembered, body %d bytes", kept, len(u.writer.made), len(made), len(x.Body()))
	}
	for _, one := range made {
		if one != (pseudonym{}) {
			t.Error("a number is remembered after its record")
		}
	}
	for _, c := range u.writer.text {
		if c != 0 {
			t.Error("a text is remembered after its record")
		}
	}
}

// A number that stands in several fields of a record is read once, and its pseudonym is made once.
func TestWhatStandsTwiceInARecordIsMadeOnce(t *testing.T) {
	u := boundPurpose(t, written("fraud", "caller_number = \"pseudonym\"\nasserted_number = \"pseudonym\"\n"))
	r := aCall(map[facts.Fact]string{facts.CallerNumber: "+13035550142", facts.AssertedNumber: "+13035550142"})
	keys := &countedKeys{Keys: demoKeys("fraud", 0)}
	u.bind(keys)
	_, values := minimised(t, u, r)
	if values["caller_number"] != values["asserted_number"] || values["caller_number"] == "null" || keys.macs != 1 {
		t.Errorf("values = %v, pseudonyms made = %d, want one", values, keys.macs)
	}
	caller, _ := cpni.FieldOf("caller_number")
	asserted, _ := cpni.FieldOf("asserted_number")
	one, other := cpni.Reveal(r.Get(caller).Text()), cpni.Reveal(r.Get(asserted).Text())
	if unsafe.StringData(one) != unsafe.StringData(other) {
		t.Error("one number was read twice")
	}
}

// countedKeys count the pseudonyms that they make.
type countedKeys struct {
	Keys
	macs int
}

func (k *countedKeys) MAC(kind string, at time.Time, value []byte) (mac [16]byte, epoch string, err error) {
	k.macs++
	return k.Keys.MAC(kind, at, value)
}
