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
	"sipsieve/sip"
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
	keyer   track.Keyer
	reader  *sip.Reader
	batch   sip.Batch
	payload []byte
	events  []track.Event
}

func newReplayer() *replayer {
	var all sip.Selection
	for i := range all {
		all[i] = true
	}
	p := &replayer{keyer: track.NewKeyer([16]byte{1}), reader: sip.NewReader(all, sip.DefaultLimits())}
	p.fresh()
	return p
}

// fresh begins with a Tracker that has seen nothing.
func (p *replayer) fresh() {
	p.tracker, p.base = track.New(track.DefaultLimits()), oracle.Start
	p.tracker.Tell(track.StagesOf(track.Stop, track.Correction))
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
	p.base = p.base.Add(c.Until + 48*time.Hour)
	return rs
}

// lastRevisions returns what was told last of each id.
func (p *replayer) lastRevisions() (rs []oracle.Record) {
	var ids []string
	for _, e := range p.events {
		if e.Kind != track.CallKind || e.Stage < track.Stop {
			continue
		}
		id := identity(e.Call)
		r := p.recordOf(e.Call)
		if i := slices.Index(ids, id); i >= 0 {
			rs[i] = r
			continue
		}
		ids, rs = append(ids, id), append(rs, r)
	}
	oracle.Sort(rs)
	return rs
}

// identity is what the id of a call is made from, the keys apart.
func identity(c *track.Call) string {
	id := fmt.Sprintf("%s %s %d", c.Facts.First(track.CallIDText), c.Facts.First(track.CallerTag), c.Reuse)
	if c.Flags&track.SecondFork != 0 {
		id += string(c.Facts.First(track.CalleeTag))
	}
	return id
}

func (p *replayer) recordOf(c *track.Call) oracle.Record {
	r := oracle.Record{Setup: p.since(c.Setup), Progress: p.since(c.Progress), Ring: p.since(c.Ring),
		Answer: p.since(c.Answer), End: p.since(c.End), Disposition: dispositionNames[c.Disposition], EndCause: endCauseNames[c.EndCause],
		EndSource: endSourceNames[c.EndSource], DisconnectBy: partyNames[c.DisconnectBy], Status: statusNames[c.Status],
		Code: c.Code, Cause: c.Cause, Completeness: c.Completeness, Missing: named(uint16(c.Missing), missingNames),
		Flags: named(uint16(c.Flags), flagNames), Challenges: c.Challenges, Redirects: c.Redirects, Forks: c.Forks,
		Reinvites: c.Reinvites, Holds: c.Holds, Held: c.Held, Early: c.EarlyMedia, Transfer: transferNames[c.Transfer],
		Repeats: c.Retransmissions, MostRepeats: c.Retransmissions}
	r.Billable = r.Disposition == "answered" && r.EndSource == "observed" && r.Answer != oracle.Never &&
		r.End != oracle.Never && c.Missing&(track.NoInvite|track.NoFinal|track.NoBye) == 0
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

// difference says in which fields got is not what is wanted, "" when it is.
func difference(got, want []oracle.Record) string {
	if len(got) != len(want) {
		return fmt.Sprintf("records: got %d, want %d", len(got), len(want))
	}
	var b strings.Builder
	for i := range want {
		g, w := got[i], want[i]
		if g.Repeats >= w.Repeats && g.Repeats <= w.MostRepeats {
			g.Repeats, g.MostRepeats = w.Repeats, w.MostRepeats
		}
		gv, wv := reflect.ValueOf(g), reflect.ValueOf(w)
		for f := range gv.NumField() {
			if gs, ws := fmt.Sprint(gv.Field(f)), fmt.Sprint(wv.Field(f)); gs != ws {
				fmt.Fprintf(&b, "record %d %s: got %s, want %s\n", i, gv.Type().Field(f).Name, gs, ws)
			}
		}
	}
	return b.String()
}

// differs compares what a Tracker makes of c with what the oracle says.
func (p *replayer) differs(c *oracle.Call) string {
	return difference(p.records(c), oracle.Records(c.Messages, c.Until))
}

// fields names the fields in which the two differ.
func (p *replayer) fields(c *oracle.Call) string {
	var names []string
	for line := range strings.Lines(p.differs(c)) {
		words := strings.Fields(line)
		if name := words[min(2, len(words)-1)]; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// minimal takes messages out of c as long as the two differ in the same fields.
func (p *replayer) minimal(c oracle.Call) oracle.Call {
	p.fresh()
	first := p.fields(&c)
	if first == "" {
		return oracle.Call{} // the calls before make the difference
	}
	for again := true; again; {
		again = false
		for i := len(c.Messages) - 1; i >= 0; i-- {
			less := c
			less.Messages = slices.Delete(slices.Clone(c.Messages), i, i+1)
			if p.fresh(); p.fields(&less) == first {
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

// settled are the kinds in which the two agree.
var settled = oracle.KindsOf(oracle.Challenge, oracle.Redirect, oracle.Retry, oracle.Forks, oracle.Cancel,
	oracle.CancelRace, oracle.CancelCross, oracle.Reinvite, oracle.Hold, oracle.RefusedReinvite, oracle.Timer, oracle.NoBye,
	oracle.Refer, oracle.Proxy, oracle.Chain, oracle.TwoAddresses, oracle.Repeats, oracle.Taps)

// TestTrackerAgreesWithTheOracle compares random calls.
func TestTrackerAgreesWithTheOracle(t *testing.T) {
	kinds := settled
	if s := os.Getenv("SIPSIEVE_KINDS"); s == "all" {
		kinds = oracle.AllKinds
	} else if s != "" {
		kinds = oracle.ParseKinds(s)
	}
	p := newReplayer()
	wrong := map[string]int{}
	n, first := setting("SIPSIEVE_CALLS", 5000), setting("SIPSIEVE_SEED", 1)
	shown := setting("SIPSIEVE_SHOW", 3)
	total := 0
	for seed := first; seed < first+n; seed++ {
		c := oracle.Random(seed, kinds)
		d := p.differs(&c)
		if d == "" {
			continue
		}
		total++
		wrong[c.Kinds.String()]++
		if wrong[c.Kinds.String()] == 1 && shown > 0 {
			shown--
			small := p.minimal(c)
			t.Errorf("seed %d:\n%s\n%s\nsmallest:\n%s%s", seed, d, c.String(), small.String(), p.differs(&small))
		}
	}
	t.Logf("%d of %d wrong", total, n)
	if total > 0 {
		t.Errorf("wrong: %v", wrong)
	}
}
