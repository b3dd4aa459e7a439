package sip

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	sipgo "github.com/emiago/sipgo/sip"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
	"sipsieve/capture/pcap"
	"sipsieve/sip/syntax"
)

// An identity is what tells one message from another: what the selection and sipgo's message parser must agree on.
type identity struct {
	callID, fromTag, toTag, branch, method string
	cseq                                   uint32
	contacts                               int
	length                                 string
}

func identityOf(m *Message) (id identity) {
	id = identity{callID: string(m.Value(CallID)), fromTag: string(m.FromTag()), toTag: string(m.ToTag()),
		branch: string(m.Branch()), cseq: m.CSeq, length: string(bytes.TrimLeft(m.Value(ContentLength), "0"))}
	_, method, _ := bytes.Cut(m.Value(CSeq), []byte(" "))
	id.method = string(bytes.TrimSpace(method))
	for _, s := range m.Spans[:m.N] {
		if s.Header == Contact {
			syntax.Values(m.At(s), func([]byte) { id.contacts++ })
		}
	}
	return id
}

// sipgoIdentity is what sipgo makes of text. The error is sipgo's.
func sipgoIdentity(text []byte) (id identity, err error) {
	parsed, err := sipgo.NewParser().ParseSIP(text)
	if err != nil {
		return id, err
	}
	parts := parsed.(interface {
		CallID() *sipgo.CallIDHeader
		CSeq() *sipgo.CSeqHeader
		From() *sipgo.FromHeader
		To() *sipgo.ToHeader
		Via() *sipgo.ViaHeader
		ContentLength() *sipgo.ContentLengthHeader
		GetHeaders(string) []sipgo.Header
	})
	if h := parts.CallID(); h != nil {
		id.callID = h.Value()
	}
	if h := parts.CSeq(); h != nil {
		id.cseq, id.method = h.SeqNo, string(h.MethodName)
	}
	if h := parts.From(); h != nil {
		id.fromTag, _ = h.Params.Get("tag")
	}
	if h := parts.To(); h != nil {
		id.toTag, _ = h.Params.Get("tag")
	}
	if h := parts.Via(); h != nil {
		id.branch, _ = h.Params.Get("branch")
	}
	if h := parts.ContentLength(); h != nil {
		id.length = strings.TrimLeft(h.Value(), "0")
	}
	id.contacts = len(parts.GetHeaders("Contact"))
	return id, nil
}

// A difference is why sipgo sees a message otherwise than the selection, and how to tell such a message.
type difference struct {
	reason string
	holds  func(m *Message, ours, theirs identity, err error) bool
}

// Most are refusals: sipgo reads every header, and one that is bad costs it the message. Order matters: a message is
// told by the first that holds.
var differences = []difference{
	{"lines end in LF alone", func(m *Message, _, _ identity, _ error) bool { return m.Flags&BareLF != 0 }},
	{"headers that do not end", refusedFor("EOF on reading line", "line has no CRLF")},
	{"an address that is none", refusedFor("invalid uri", "missing protocol scheme")},
	{"a Via that is none", refusedFor("in Via header")},
	{"a number that is none", refusedFor("invalid syntax")},
	{"a body shorter than its length", func(m *Message, _, _ identity, err error) bool {
		return m.Flags&BodyShort != 0 && err != nil && strings.Contains(err.Error(), "body incomplete")
	}},
	{"no Content-Length: sipgo counts the body", func(m *Message, ours, theirs identity, err error) bool {
		theirs.length = ""
		return err == nil && ours == theirs && m.Value(ContentLength) == nil
	}},
	{"white space around the = of a parameter", func(m *Message, ours, theirs identity, err error) bool {
		spaced := bytes.Contains(m.Value(From), []byte("tag =")) || bytes.Contains(m.Value(To), []byte("tag ="))
		theirs.fromTag, theirs.toTag = ours.fromTag, ours.toTag
		return err == nil && spaced && ours == theirs
	}},
}

// refusedFor tells messages that sipgo refuses with an error that has one of words in it.
func refusedFor(words ...string) func(*Message, identity, identity, error) bool {
	return func(_ *Message, _, _ identity, err error) bool {
		return err != nil && slices.ContainsFunc(words, func(w string) bool { return strings.Contains(err.Error(), w) })
	}
}

func TestSelectionAgreesWithSipgo(t *testing.T) {
	seen := map[string]int{}
	n := 0
	each := func(where string, m *Message) {
		n++
		var b Batch
		b.Add(m)
		ours := identityOf(&b.Messages[0])
		theirs, err := sipgoIdentity(bytes.Clone(m.Text))
		if err == nil && ours == theirs {
			return
		}
		i := slices.IndexFunc(differences, func(d difference) bool { return d.holds(m, ours, theirs, err) })
		if i < 0 {
			t.Errorf("%s: got = %+v, want %+v, sipgo said %v %q", where, ours, theirs, err, m.Text)
			return
		}
		seen[differences[i].reason]++
	}
	r := NewReader(only(Contact), DefaultLimits())
	for _, x := range tortures(t) {
		r.Read(&capture.Packet{Payload: x.payload}, func(m *Message) { each(x.File, m) })
	}
	for _, path := range everyCapture(t) {
		eachPacket(t, path, func(p *capture.Packet) { r.Read(p, func(m *Message) { each(filepath.Base(path), m) }) })
	}
	eachGenerated(t, 500, func(p *capture.Packet) { r.Read(p, func(m *Message) { each("generated", m) }) })
	for _, d := range differences {
		if seen[d.reason] == 0 {
			t.Errorf("%s: no message differs so", d.reason)
		}
	}
	t.Log(n, "messages, differences:", fmt.Sprint(seen))
}

// everyCapture returns the capture files beside this checkout.
func everyCapture(t testing.TB) (paths []string) {
	for _, pattern := range []string{"generated/*.pcap*", "public/*.pcap*"} {
		found, _ := filepath.Glob(filepath.Join("../../shared/captures", pattern))
		paths = append(paths, found...)
	}
	if len(paths) == 0 {
		absent(t, os.ErrNotExist)
	}
	return paths
}

// eachGenerated calls take with every packet of the generated corpus.
func eachGenerated(t testing.TB, calls int, take func(*capture.Packet)) {
	t.Helper()
	var file bytes.Buffer
	if err := capturetest.WritePcap(&file, capturetest.Corpus(calls, 1)); err != nil {
		t.Fatal(err)
	}
	source, err := pcap.New("corpus", &file, pcap.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	for {
		p, err := source.Next()
		if err != nil {
			return
		}
		take(&p)
	}
}
