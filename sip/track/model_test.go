package track_test

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sipsieve/capture/capturetest/oracle"
	"sipsieve/capture/capturetest/randomcall"
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/track"
)

// The words of records, by the values of package track.
var (
	dispositionNames = strings.Split(",answered,busy,no_answer,cancelled,redirected,auth_failed,rejected,unreachable,"+
		"failed", ",")
	statusNames   = strings.Split(",complete,partial,evicted", ",")
	endCauseNames = strings.Split(",normal,cancel,failure,timeout,session_timer,dialog_lost,transfer,evicted,capture_end",
		",")
	endSourceNames = strings.Split(",observed,session_timer,max_duration,ring_timeout,capture_end", ",")
	partyNames     = strings.Split("unknown,caller,callee,network", ",")
	transferNames  = strings.Split("none,blind,attended", ",")
	missingNames   = strings.Split("invite,final_response,ack,cancel,bye,bye_response,one_direction,stream_gap,truncated,"+
		"loss_window,restart_gap,clock_step", ",")
	flagNames = strings.Split("no_ack,cancel_race,spiral,second_fork,cause_derived,answer_by_ack,privacy_applied", ",")
)

// A replayer follows calls of the oracle, one after another, a day and more apart.
type replayer struct {
	tracker *track.Tracker
	base    time.Time // of the call under way
	keyer   event.Keyer
	reader  *sip.Reader
	batch   sip.Batch
	payload []byte
	events  []event.Event
	wrong   string // with the order of the events of the call under way
}

func newReplayer() *replayer {
	var all sip.Selection
	for i := range all {
		all[i] = true
	}
	p := &replayer{keyer: event.NewKeyer([16]byte{1}), reader: sip.NewReader(all, sip.DefaultLimits())}
	p.fresh()
	return p
}

// fresh begins with a Tracker that has seen nothing.
func (p *replayer) fresh() {
	p.tracker, p.base = track.New(track.DefaultLimits()), oracle.Start
	p.tracker.PublishAt(event.StagesOf(event.Stop, event.Correction))
}

// records returns the last revision of every record that the Tracker makes of c.
func (p *replayer) records(c *oracle.Call) []oracle.Record {
	p.batch.Reset()
	for i := range c.Messages {
		pkt, _ := c.Messages[i].Packet(p.payload[:0])
		p.payload, pkt.Time = pkt.Payload, p.base.Add(c.Messages[i].Time)
		p.reader.Read(&pkt, p.batch.Add)
	}
	events := p.events[:0]
	for i := range p.batch.Messages {
		m := &p.batch.Messages[i]
		events = p.tracker.Observe(events, m, p.keyer.Of(m))
	}
	events = p.tracker.Advance(events, p.base.Add(c.Until))
	p.events = p.tracker.Finish(events)
	rs := p.lastRevisions()
	if p.base = p.base.Add(c.Until + 48*time.Hour); p.base.Year() > 2100 {
		p.fresh()
	}
	return rs
}

// lastRevisions returns the last record of each id. A call is published once at its end, then corrected, each time with
// the next revision and only if the record differs.
func (p *replayer) lastRevisions() (rs []oracle.Record) {
	var ids []string
	var published []event.Event
	p.wrong = ""
	for _, e := range p.events {
		if e.Kind != event.CallKind || e.Stage < event.Stop {
			continue
		}
		id, r := identity(e.Call), p.recordOf(e.Call)
		i := slices.Index(ids, id)
		switch {
		case i < 0 && e.Stage == event.Stop:
			ids, rs, published = append(ids, id), append(rs, r), append(published, e)
			continue
		case i < 0 || e.Stage == event.Stop || e.Revision != published[i].Revision+1:
			p.wrong = "a call is published twice, or corrected before it is published, or a revision is missing"
		case reflect.DeepEqual(published[i].Call, e.Call):
			p.wrong = "a correction that changes nothing"
		}
		if i >= 0 {
			rs[i], published[i] = r, e
		}
	}
	oracle.Sort(rs)
	return rs
}

// identity is what the id of a call is made from, the keys apart.
func identity(c *event.Call) string {
	first := c.Setup
	if first.IsZero() {
		first = c.FirstSeen
	}
	id := fmt.Sprintf("%s %s %s %d", c.Facts.First(facts.CallIDText), c.Facts.First(facts.CallerTag),
		first.UTC().Format(time.DateOnly), c.Reuse)
	if c.Flags&event.SecondFork != 0 {
		id += string(c.Facts.First(facts.CalleeTag))
	}
	return id
}

func (p *replayer) recordOf(c *event.Call) oracle.Record {
	r := oracle.Record{Setup: p.since(c.Setup), Progress: p.since(c.Progress), Ring: p.since(c.Ring),
		Answer: p.since(c.Answer), End: p.since(c.End), Disposition: dispositionNames[c.Disposition],
		EndCause: endCauseNames[c.EndCause], EndSource: endSourceNames[c.EndSource],
		DisconnectBy: partyNames[c.DisconnectBy], Status: statusNames[c.Status],
		Code: c.Code, Cause: c.Cause, Completeness: c.Completeness, Missing: named(uint16(c.Missing), missingNames),
		Flags: named(uint16(c.Flags), flagNames), Challenges: c.Challenges, Redirects: c.Redirects, Forks: c.Forks,
		Reinvites: c.Reinvites, Holds: c.Holds, Held: c.Held, Early: c.EarlyMedia, Transfer: transferNames[c.Transfer],
		Repeats: c.Retransmissions, MostRepeats: c.Retransmissions}
	r.Billable = r.Disposition == "answered" && r.EndSource == "observed" && r.Answer != oracle.Never &&
		r.End != oracle.Never && c.Missing&(event.NoInvite|event.NoFinal|event.NoBye) == 0
	return r
}

func (p *replayer) since(t time.Time) time.Duration {
	if t.IsZero() {
		return oracle.Never
	}
	return t.Sub(p.base)
}

func named(bits uint16, names []string) (words []string) {
	for i, name := range names {
		if bits&(1<<i) != 0 {
			words = append(words, name)
		}
	}
	return words
}

// differs compares the records of a Tracker with those of the oracle.
func (p *replayer) differs(c *oracle.Call) string {
	d := oracle.Difference(p.records(c), oracle.Records(c.Messages, c.Until))
	if p.wrong != "" {
		d += "record 0 events: " + p.wrong + "\n"
	}
	return d
}

// fields names the fields of a difference.
func fields(difference string) string {
	var names []string
	for line := range strings.Lines(difference) {
		words := strings.Fields(line)
		if name := words[min(2, len(words)-1)]; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// minimal takes messages out of c as long as the two differ in the same fields.
func (p *replayer) minimal(c randomcall.Call) randomcall.Call {
	p.fresh()
	first := fields(p.differs(&c.Call))
	if first == "" {
		return c // the calls before make the difference
	}
	for again := true; again; {
		again = false
		for i := len(c.Messages) - 1; i >= 0; i-- {
			less := c
			less.Messages = slices.Delete(slices.Clone(c.Messages), i, i+1)
			if p.fresh(); fields(p.differs(&less.Call)) == first {
				c, again = less, true
			}
		}
	}
	return c
}

func setting(name string, standard uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return n
	}
	return standard
}

// differing are kinds that together can still make a difference: of 100,000 calls that all have both (SIPSIEVE_WITH) in
// 59, in 217 and in 2,329. Where tags are rewritten,
// a lost message or an UPDATE before the answer can leave the dialog behind unknown. The caller of a call from its
// middle may be taken from a re-INVITE that was refused.
var differing = []randomcall.Kinds{
	randomcall.KindsOf(randomcall.Hiding, randomcall.Loss), randomcall.KindsOf(randomcall.Hiding, randomcall.EarlyUpdate),
	randomcall.KindsOf(randomcall.MidCall, randomcall.Reinvite),
}

// settled reports whether no difference is known for calls of kinds k.
func settled(k randomcall.Kinds) bool {
	return !slices.ContainsFunc(differing, func(both randomcall.Kinds) bool { return k&both == both })
}

// TestModelCallsAreTracked compares the Tracker with the oracle on random calls: 5,000, or 1,000,000 if SIPSIEVE_FULL
// is 1. SIPSIEVE_CALLS, SIPSIEVE_SEED and SIPSIEVE_KINDS set how many, from which seed, and of which kinds:
// names, or all, those included that can still differ. SIPSIEVE_WITH names kinds that each call has.
func TestModelCallsAreTracked(t *testing.T) {
	t.Parallel()
	kinds, every := randomcall.AllKinds, os.Getenv("SIPSIEVE_KINDS")
	if every != "" && every != "all" {
		kinds = randomcall.ParseKinds(every)
	}
	with := randomcall.ParseKinds(os.Getenv("SIPSIEVE_WITH"))
	p := newReplayer()
	standard := uint64(5000)
	if os.Getenv("SIPSIEVE_FULL") == "1" {
		standard = 1_000_000
	}
	calls, first := setting("SIPSIEVE_CALLS", standard), setting("SIPSIEVE_SEED", 1)
	wrong := map[string][]randomcall.Call{} // by the fields that differ
	n := 0
	for seed, compared := first, uint64(0); compared < calls; seed++ {
		c := randomcall.RandomWith(seed, kinds, with)
		if every == "" && !settled(c.Kinds) || c.Kinds&with != with {
			continue
		}
		compared++
		if d := p.differs(&c.Call); d != "" {
			key := fields(d)
			wrong[key] = append(wrong[key], c)
			n++
		}
	}
	for fields, calls := range wrong {
		t.Errorf("%d calls differ in %s, such as\n%s", len(calls), fields, p.shown(calls))
	}
	if n > 0 {
		t.Errorf("%d of %d calls differ", n, calls)
	}
}

// shown writes the shortest of calls, what differs, and the least of it that differs alike.
func (p *replayer) shown(calls []randomcall.Call) string {
	p.fresh()
	c := slices.MinFunc(calls, func(a, b randomcall.Call) int { return len(a.Messages) - len(b.Messages) })
	small := p.minimal(c)
	return fmt.Sprintf("%s%s\nand, in short,\n%s%s", c.String(), p.differs(&c.Call), small.String(), p.differs(&small.Call))
}

// TestModelStoriesAreTracked plays what once went wrong, and what is known from elsewhere.
func TestModelStoriesAreTracked(t *testing.T) {
	stories, err := oracle.Stories()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stories {
		p := newReplayer()
		if d := s.Differs(p.records(&s.Call)); d != "" {
			t.Errorf("%s:\n%s%s", s.Name, s.Call.String(), d)
		}
	}
}
