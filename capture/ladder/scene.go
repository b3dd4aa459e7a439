package ladder

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"strconv"
	"time"

	"sipsieve/capture/wire"
)

// Default addresses and numbers of parties: RFC 5737, RFC 3849, RFC 9542 section 2.1.2.
const (
	firstHost   = 10
	firstNumber = 110
	lastParty   = 80
)

// longest is how many bytes a datagram over IPv4 carries at most.
const longest = 65507

// A Party sends and receives.
type Party struct {
	Number string
	Addr   netip.Addr // not valid for one of the standard addresses
	IDs    uint16     // the last IPv4 identification that it used

	name  string
	index int
	port  uint16
}

// A Scene is the state of a ladder: the messages so far and the frames of them.
type Scene struct {
	carrier
	CallID string // of the messages that follow; "" for one a pair

	text    writer
	parties map[string]*Party
	dialogs map[string]*dialog
	sent    []*request
}

// NewScene returns a Scene without messages, whose parties have equipment of p.
func NewScene(p *Persona) *Scene {
	s := &Scene{
		carrier: carrier{
			Framer: wire.Framer{MTU: 9000},
			start:  time.Date(2026, time.January, 5, 9, 0, 0, 0, time.UTC),
			conns:  map[[2]netip.AddrPort]*conn{},
		},
		parties: map[string]*Party{},
		dialogs: map[string]*dialog{},
	}
	s.text = writer{carrier: &s.carrier, persona: p}
	return s
}

// A dialog is the state that the messages of one Call-ID between two parties share.
type dialog struct {
	key, id  string
	ordinal  int
	tags     map[string]string // by party; set once the party has sent it
	seq      map[string]int    // last CSeq by party
	open     map[string]*request
	invite   *request // the last one
	answered bool
	over     bool
	expires  string // of the last REGISTER
}

// A request is one transaction.
type request struct {
	d        *dialog
	from, to *Party
	method   string
	seq      int
	branch   string
	final    int    // 0 while it has none
	toTag    string // of the final response
	head     []Header
	text     []byte
	ack      []byte
}

// settle updates d by the final response of r.
func (d *dialog) settle(r *request) {
	ok := r.final < 300
	switch {
	case r.method == "BYE":
		d.over = true
	case r.method != "INVITE" || d.answered:
	case ok:
		d.answered = true
	case r.final == 401 || r.final == 407 || r.final < 400:
		delete(d.tags, r.to.name)
	default:
		d.over = true
	}
}

// inside reports whether the other side's tag is known and belongs in To.
func (r *request) inside() bool {
	switch {
	case r.method == "CANCEL" || r.method == "REGISTER":
		return false
	case r.method == "ACK":
		return r.d.invite.final < 300
	case r.method == "INVITE":
		return r.d.answered
	}
	return r.d.tags[r.to.name] != ""
}

func (d *dialog) toTag(st *Step, r *request) string {
	switch {
	case r.method == "ACK" && r.d.invite.final >= 300:
		return r.toTag
	case !r.inside():
		return ""
	case st.word("tag") != "":
		return st.word("tag")
	}
	return d.tags[r.to.name]
}

// rackSeq returns the CSeq number of the INVITE that a PRACK acknowledges, 0 without one.
func (r *request) rackSeq() int {
	if r == nil {
		return 0
	}
	return r.seq
}

// Party returns the party of that name, and adds one for a new name.
func (s *Scene) Party(name string) *Party {
	p := s.parties[name]
	if p == nil {
		n := len(s.parties)
		p = &Party{name: name, index: n, port: 5060}
		p.Number = fmt.Sprintf("+1303555%04d", firstNumber+n)
		s.parties[name] = p
	}
	return p
}

// Play sends the message of st.
func (s *Scene) Play(st *Step) error {
	from, to := s.Party(st.From), s.Party(st.To)
	if from == to || len(s.parties) > lastParty {
		return fmt.Errorf("want two parties, and at most %d in all", lastParty)
	}
	if s.address(from).Addr().Is4() != s.address(to).Addr().Is4() {
		return errors.New("one side is IPv4, the other IPv6")
	}
	var text []byte
	var err error
	if st.Status == 0 {
		text, err = s.request(st, from, to)
	} else {
		text, err = s.response(st, from, to)
	}
	if err != nil {
		return err
	}
	if len(text) > longest && !s.tcp {
		return errors.New("a message is longer than a datagram: want transport tcp")
	}
	s.carry(st, [2]*Party{from, to}, text)
	return nil
}

// request returns the text of the request of st, the same as before if it is a retransmission.
func (s *Scene) request(st *Step, from, to *Party) ([]byte, error) {
	d := s.dialog(st, from, to)
	switch st.Method {
	case "ACK":
		return s.ack(st, d, from)
	case "CANCEL":
		if d.invite == nil || d.invite.from != from {
			return nil, errors.New("CANCEL without an INVITE of that side")
		}
	}
	key := from.name + " " + st.Method
	if open := d.open[key]; open != nil && open.final == 0 && !st.has("new") {
		return open.text, nil
	}
	r := &request{d: d, from: from, to: to, method: st.Method}
	again := d.open[key]
	if st.Method == "CANCEL" {
		r.seq, r.branch = d.invite.seq, d.invite.branch
	} else {
		d.seq[from.name]++
		r.seq = d.seq[from.name]
		r.branch = "z9hG4bK" + Token(d.id, from.name, st.Method, strconv.Itoa(r.seq))
	}
	d.open[key] = r
	if st.Method == "INVITE" {
		d.invite = r
	}
	r.text = s.text.request(st, r, again)
	s.sent = append(s.sent, r)
	return r.text, nil
}

// ack acknowledges the last INVITE of that side: in its transaction if it was refused, in one of its own after a 2xx.
func (s *Scene) ack(st *Step, d *dialog, from *Party) ([]byte, error) {
	inv := d.open[from.name+" INVITE"]
	if inv == nil {
		return nil, errors.New("ACK without an INVITE of that side")
	}
	d.invite = inv
	if inv.ack != nil && !st.has("new") && st.word("tag") == "" {
		return inv.ack, nil
	}
	r := &request{d: d, from: from, to: inv.to, method: "ACK", seq: inv.seq, branch: inv.branch, toTag: inv.toTag}
	if inv.final < 300 {
		r.branch += Token(d.id, "ack", st.word("tag"))[:6]
	}
	inv.ack = s.text.request(st, r, nil)
	return inv.ack, nil
}

// dialog returns the dialog that a request of st belongs to, a new one where none can be.
func (s *Scene) dialog(st *Step, from, to *Party) *dialog {
	key := s.CallID
	if key == "" {
		key = pair(from, to)
		switch st.Method {
		case "REGISTER", "OPTIONS", "MESSAGE", "SUBSCRIBE", "PUBLISH":
			key += "/" + st.Method
		}
	}
	d := s.dialogs[key]
	if d != nil && !(d.over && st.Method == "INVITE" && s.CallID == "") {
		return d
	}
	next := &dialog{key: key, id: s.CallID, tags: map[string]string{}, seq: map[string]int{}, open: map[string]*request{}}
	if d != nil {
		next.ordinal = d.ordinal + 1
	}
	if next.id == "" {
		next.id = Token(key, strconv.Itoa(next.ordinal)) + "@" + s.address(from).Addr().String()
	}
	s.dialogs[key] = next
	return next
}

func pair(a, b *Party) string {
	if b.index < a.index {
		a, b = b, a
	}
	return a.name + " " + b.name
}

// response returns the text of the response of st: to the last request that its receiver had sent.
func (s *Scene) response(st *Step, from, to *Party) ([]byte, error) {
	r := s.answers(st, from, to)
	if r == nil {
		return nil, errors.New("a response to no request")
	}
	d := r.d
	tag := st.word("tag")
	if tag == "" {
		tag = d.tags[from.name]
	}
	if tag == "" {
		tag = Token(d.id, from.name, "tag")
	}
	if st.Status > 100 && (r.method == "INVITE" || st.Status < 300) {
		d.tags[from.name] = tag
	}
	if st.Status >= 200 {
		r.final, r.toTag = st.Status, tag
		d.settle(r)
	}
	return s.text.response(st, r, tag), nil
}

// answers returns the request that a response of st answers, nil without one.
func (s *Scene) answers(st *Step, from, to *Party) *request {
	for i := len(s.sent) - 1; i >= 0; i-- {
		r := s.sent[i]
		if r.from == to && r.to == from && (st.Method == "" || st.Method == r.method) &&
			(s.CallID == "" || s.CallID == r.d.id) {
			return r
		}
	}
	return nil
}

// Token returns 16 hexadecimal digits that depend on parts and on nothing else.
func Token(parts ...string) string {
	h := fnv.New64a()
	for _, p := range parts {
		_, _ = h.Write([]byte(p))
		_, _ = h.Write([]byte{0})
	}
	return fmt.Sprintf("%016x", mix(h.Sum64()))
}

// mix spreads hashes of FNV that are close together.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
