package framing

import (
	"strings"
	"testing"

	"sipsieve/capture"
)

// TestContentLengthOverTheBodySwallowsNoSegment sends messages whose Content-Length is more than there is, each in a
// segment of its own.
func TestContentLengthOverTheBodySwallowsNoSegment(t *testing.T) {
	longer := func(text string) string { return strings.Replace(text, "Content-Length: ", "Content-Length: 9", 1) }
	short := func(text string) string { return "tcp none body_short\n" + text }
	plain := func(text string) string { return "tcp none none\n" + text }
	compact := strings.Replace(longer(bye), "Content-Length", "l", 1)
	small := strings.Replace(ringing, "SIP/2.0", "sip/2.0", 1)
	rest := len(invite) - 20
	for name, c := range map[string]struct{ segments, want []string }{
		"no body": {[]string{longer(bye), invite, ringing}, []string{short(longer(bye)), plain(invite), plain(ringing)}},
		"a body":  {[]string{longer(invite), ringing}, []string{short(longer(invite)), plain(ringing)}},
		"one after other": {[]string{longer(invite), longer(bye), bye},
			[]string{short(longer(invite)), short(longer(bye)), plain(bye)}},
		"compact":    {[]string{compact, ringing}, []string{short(compact), plain(ringing)}},
		"lower-case": {[]string{longer(bye), small}, []string{short(longer(bye)), plain(small)}},
		"body in segments": {[]string{longer(invite)[:rest], longer(invite)[rest:], bye},
			[]string{short(longer(invite)), plain(bye)}},
		"head in segments": {[]string{longer(bye), invite[:90], invite[90:]},
			[]string{short(longer(bye)), plain(invite)}},
	} {
		w := newWire(t)
		for _, b := range c.segments {
			w.feed(capture.Packet{Payload: []byte(b)})
		}
		if strings.Join(w.got, "|") != strings.Join(c.want, "|") {
			t.Errorf("%s: got = %q, want %q", name, w.got, c.want)
		}
	}
}

// TestBodyThatQuotesAMessageIsOne sends the body in a segment of its own, as it may be: it begins with a start line.
func TestBodyThatQuotesAMessageIsOne(t *testing.T) {
	fragment := "SIP/2.0 200 OK\r\nTo: <sip:b@h>\r\n"
	for _, kind := range []string{"message/sipfrag;version=2.0", "message/sip", "multipart/mixed;boundary=b", "text/plain"} {
		head := strings.TrimSuffix(request("NOTIFY", "n", "Content-Type: "+kind), "\r\n")
		text := head + withBody(fragment)
		w := newWire(t).pieces([]byte(text[:len(text)-len(fragment)]), []byte(fragment), []byte(bye))
		w.want(text, bye)
	}
	for name, body := range map[string]string{"a start line alone": "SIP/2.0 200 OK\r\nand no header\r\n",
		"no start line": "v=0\r\nINVITE sip:b@h SIP/2.0\r\nTo: <sip:b@h>\r\n"} {
		text := bodied(request("INFO", "n", "Content-Type: application/x"), body)
		w := newWire(t).pieces([]byte(text[:len(text)-len(body)]), []byte(body), []byte(bye))
		t.Run(name, func(t *testing.T) { w.t = t; w.want(text, bye) })
	}
}
