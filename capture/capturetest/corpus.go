package capturetest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"sipsieve/capture/ladder"
	"sipsieve/capture/wire"
)

// A shape is the messages of one answered call, in order.
type shape []beat

// A beat is one message of a shape.
type beat struct {
	from  byte          // '>' for the caller, '<' for the callee
	what  string        // method
	code  int           // status; 0 for a request
	wait  time.Duration // mean time since the message before
	words []string      // of a ladder
}

// Mean times between messages.
const (
	network = 12 * time.Millisecond
	ringing = 4200 * time.Millisecond
	talking = 63 * time.Second
)

// shapes have 7, 10, 9, 10, 9 and 9 messages: 9 on average.
var shapes = [...]shape{
	{{'>', "INVITE", 0, 0, nil}, {'<', "INVITE", 100, network, nil}, {'<', "INVITE", 180, 900 * time.Millisecond, nil},
		{'<', "INVITE", 200, ringing, nil}, {'>', "ACK", 0, network, nil},
		{'>', "BYE", 0, talking, nil}, {'<', "BYE", 200, network, nil}},
	{{'>', "INVITE", 0, 0, nil}, {'<', "INVITE", 407, network, nil}, {'>', "ACK", 0, network, nil},
		{'>', "INVITE", 0, network, nil}, {'<', "INVITE", 100, network, nil}, {'<', "INVITE", 180, 1100 * time.Millisecond, nil},
		{'<', "INVITE", 200, ringing, nil}, {'>', "ACK", 0, network, nil},
		{'>', "BYE", 0, talking, nil}, {'<', "BYE", 200, network, nil}},
	{{'>', "INVITE", 0, 0, nil}, {'<', "INVITE", 100, network, nil}, {'<', "INVITE", 180, 1300 * time.Millisecond, nil},
		{'<', "INVITE", 200, ringing, nil}, {'>', "ACK", 0, network, nil},
		{'>', "UPDATE", 0, talking, nil}, {'<', "UPDATE", 200, network, nil},
		{'<', "BYE", 0, talking, nil}, {'>', "BYE", 200, network, nil}},
	{{'>', "INVITE", 0, 0, nil}, {'<', "INVITE", 100, network, nil}, {'<', "INVITE", 183, 700 * time.Millisecond, nil},
		{'>', "PRACK", 0, network, nil}, {'<', "PRACK", 200, network, nil}, {'<', "INVITE", 180, 300 * time.Millisecond, nil},
		{'<', "INVITE", 200, ringing, nil}, {'>', "ACK", 0, network, nil},
		{'<', "BYE", 0, talking, nil}, {'>', "BYE", 200, network, nil}},
	{{'>', "INVITE", 0, 0, nil}, {'<', "INVITE", 100, network, nil}, {'<', "INVITE", 180, 800 * time.Millisecond, nil},
		{'<', "INVITE", 200, ringing, nil}, {'>', "ACK", 0, network, nil},
		{'<', "UPDATE", 0, talking, []string{"sdp"}}, {'>', "UPDATE", 200, network, []string{"sdp"}},
		{'>', "BYE", 0, talking, nil}, {'<', "BYE", 200, network, nil}},
	{{'>', "INVITE", 0, 0, nil}, {'<', "INVITE", 100, network, nil}, {'<', "INVITE", 183, 600 * time.Millisecond, nil},
		{'<', "INVITE", 180, 400 * time.Millisecond, nil}, {'<', "INVITE", 200, ringing, nil},
		{'<', "INVITE", 200, 500 * time.Millisecond, nil}, {'>', "ACK", 0, network, nil},
		{'>', "BYE", 0, talking, nil}, {'<', "BYE", 200, network, nil}},
}

// Corpus returns the traffic of so many answered calls as at an SBC between carriers and customers: six shapes
// in turn, of 9 messages a call on average (challenged, with PRACK, with UPDATE, with a repeated answer), ended by
// either side, INVITEs of about 22 headers with a session description. A call begins every 20 ms on average and
// overlaps with those before it. Equal calls and seed make equal frames; other seeds make other numbers and times.
func Corpus(calls int, seed uint64) []Frame { return CorpusEvery(20*time.Millisecond, calls, seed) }

// CorpusEvery is Corpus with another mean time between the beginnings of calls.
func CorpusEvery(mean time.Duration, calls int, seed uint64) []Frame {
	r := rand.New(rand.NewPCG(seed, 0x5d1c))
	frames := make([]Frame, 0, 9*calls)
	var start time.Duration
	for i := range calls {
		start += time.Duration(r.ExpFloat64() * float64(mean))
		frames = append(frames, call(r, i, start)...)
	}
	wire.InOrder(frames)
	return frames
}

// call returns the frames of the i-th call of a corpus.
func call(r *rand.Rand, i int, start time.Duration) []Frame {
	s := ladder.NewScene(&personas[r.IntN(len(personas))])
	s.CallID = ladder.Token(fmt.Sprint(i), fmt.Sprint(r.Uint64())) + "@" + hosts[r.IntN(len(hosts))].String()
	for _, name := range [...]string{"caller", "callee"} {
		p := s.Party(name)
		p.Number, p.IDs = fiction(r), uint16(r.Uint32())
	}
	s.Party("caller").Addr = hosts[r.IntN(len(hosts))]
	s.Party("callee").Addr = netip.AddrFrom4([4]byte{192, 0, 2, 1})
	at := start
	for _, b := range shapes[i%len(shapes)] {
		at += b.wait/2 + time.Duration(r.Int64N(int64(b.wait)+1))
		st := &ladder.Step{At: at, From: "caller", To: "callee", Method: b.what, Status: b.code, Words: b.words}
		if b.from == '<' {
			st.From, st.To = st.To, st.From
		}
		if b.what == "INVITE" && b.code == 0 {
			st.Headers = identity(r, s)
		}
		if err := s.Play(st); err != nil {
			panic(err) // a shape that cannot be played is a mistake in the table above
		}
	}
	return s.Frames
}

// hosts are where a corpus' callers are, RFC 5737.
var hosts = func() (list [200]netip.Addr) {
	for i := range list {
		list[i] = netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + i)})
		if i >= 100 {
			list[i] = netip.AddrFrom4([4]byte{203, 0, 113, byte(i - 99)})
		}
	}
	return list
}()

// areas are the area codes of a corpus.
var areas = [...]int{201, 212, 213, 303, 305, 312, 404, 415, 416, 503, 512, 514, 602, 604, 617, 702, 713, 720, 808, 907}

// fiction returns one of the numbers reserved for fiction: 555-0100 to 555-0199 of an area code.
func fiction(r *rand.Rand) string {
	return fmt.Sprintf("+1%d55501%02d", areas[r.IntN(len(areas))], r.IntN(100))
}
