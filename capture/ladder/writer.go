package ladder

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// A Persona is the headers that one side's equipment adds to those that RFC 3261 requires.
type Persona struct {
	Agent  string   // of User-Agent and Server
	Invite []Header // of the first INVITE
	Other  []Header // of every other request but ACK and CANCEL
	Reply  []Header // of 18x and 2xx
}

// A writer writes the texts of messages.
type writer struct {
	carrier *carrier // whose addresses and transport stand in them
	persona *Persona
}

// Allow is a value of the header Allow with the methods of most equipment.
const Allow = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY"

// plain is the equipment of the parties of a text.
var plain = Persona{
	Agent:  "sipsieve-ladder",
	Invite: []Header{{"Allow", Allow}, {"Supported", "100rel, replaces, timer"}},
	Reply:  []Header{{"Allow", Allow}, {"Supported", "replaces, timer"}},
}

func (w *writer) uri(p *Party) string { return "sip:" + p.Number + "@" + w.host(p) }

func (w *writer) host(p *Party) string {
	at := w.carrier.address(p)
	if at.Port() == 5060 {
		return strings.TrimSuffix(at.String(), ":5060")
	}
	return at.String()
}

// aor returns the address-of-record of p: its host has no port.
func (w *writer) aor(p *Party) string {
	host := w.carrier.address(p).Addr().String()
	if w.carrier.address(p).Addr().Is6() {
		host = "[" + host + "]"
	}
	return "sip:" + p.Number + "@" + host
}

func (w *writer) contact(p *Party) string {
	at := w.carrier.address(p)
	uri := "sip:" + p.Number + "@" + at.String()
	if w.carrier.tcp {
		uri += ";transport=tcp"
	}
	return "<" + uri + ">"
}

// named returns p as in From and To.
func (w *writer) named(p *Party, tag string) string {
	text := fmt.Sprintf("%q <%s>", strings.ToUpper(p.name[:1])+p.name[1:], w.aor(p))
	if tag != "" {
		text += ";tag=" + tag
	}
	return text
}

// request writes r. again is the last transaction of that method, if there was one.
func (w *writer) request(st *Step, r, again *request) []byte {
	d := r.d
	if d.tags[r.from.name] == "" {
		d.tags[r.from.name] = Token(d.id, r.from.name, "tag")
	}
	target := w.target(r)
	to := r.to
	if r.method == "REGISTER" {
		to = r.from
	}
	r.head = []Header{
		{"Via", w.via(r)},
		{"Max-Forwards", "70"},
		{"From", w.named(r.from, d.tags[r.from.name])},
		{"To", w.named(to, d.toTag(st, r))},
		{"Call-ID", d.id},
		{"CSeq", strconv.Itoa(r.seq) + " " + r.method},
	}
	for i, h := range r.head { // responses copy the header of the ladder
		for _, own := range st.Headers {
			if strings.EqualFold(own.Name, h.Name) {
				r.head[i].Value = own.Value
			}
		}
	}
	head := append(r.head[:len(r.head):len(r.head)], w.requestHeaders(r, again)...)
	if r.method == "REGISTER" {
		d.expires = "3600"
		for _, h := range st.Headers {
			if strings.EqualFold(h.Name, "Expires") {
				d.expires = h.Value
			}
		}
	}
	return compose(r.method+" "+target+" SIP/2.0", st, head, w.body(st, r))
}

func (w *writer) via(r *request) string {
	transport := "UDP"
	if w.carrier.tcp {
		transport = "TCP"
	}
	return "SIP/2.0/" + transport + " " + w.carrier.address(r.from).String() + ";branch=" + r.branch + ";rport"
}

// target returns the Request-URI: the number at first, the other side's Contact inside a dialog.
func (w *writer) target(r *request) string {
	switch {
	case r.method == "REGISTER":
		return strings.Replace(w.aor(r.to), r.to.Number+"@", "", 1)
	case r.inside() && r.method != "CANCEL":
		return strings.Trim(w.contact(r.to), "<>")
	}
	return w.uri(r.to)
}

// requestHeaders returns the headers of r besides those that every request has.
func (w *writer) requestHeaders(r, again *request) (head []Header) {
	contact := Header{"Contact", w.contact(r.from)}
	switch r.method {
	case "ACK", "CANCEL":
		return nil
	case "INVITE":
		head = append([]Header{contact}, w.persona.Invite...)
		if r.d.answered {
			head = append([]Header{contact}, w.persona.Other...)
		}
	case "REGISTER":
		head = []Header{contact, {"Expires", "3600"}}
	case "PRACK":
		head = []Header{{"RAck", "1 " + strconv.Itoa(r.d.invite.rackSeq()) + " INVITE"}}
	case "REFER":
		head = []Header{contact, {"Refer-To", "<sip:+13035550199@192.0.2.99>"}}
	case "SUBSCRIBE":
		head = []Header{contact, {"Event", "presence"}, {"Expires", "3600"}}
	case "NOTIFY":
		head = []Header{contact, {"Event", "presence"}, {"Subscription-State", "active;expires=3599"}}
	case "PUBLISH":
		head = []Header{{"Event", "presence"}, {"Expires", "3600"}}
	case "UPDATE", "OPTIONS":
		head = []Header{contact}
	}
	if again != nil && (again.final == 401 || again.final == 407) {
		head = append(head, w.credentials(r, again.final))
	}
	if r.method != "INVITE" {
		head = append(head, w.persona.Other...)
	}
	return append(head, Header{"User-Agent", w.persona.Agent})
}

const realm = "voice.example.net"

func (w *writer) credentials(r *request, status int) Header {
	name := "Proxy-Authorization"
	if status == 401 {
		name = "Authorization"
	}
	return Header{name, fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", algorithm=MD5`,
		strings.TrimPrefix(r.from.Number, "+"), realm, Token(r.d.id, "nonce"), w.target(r),
		Token(r.branch, "a")+Token(r.branch, "b"))}
}

// response writes the response of st to r.
func (w *writer) response(st *Step, r *request, tag string) []byte {
	head := make([]Header, 0, 16)
	for _, h := range r.head {
		switch {
		case h.Name == "Max-Forwards":
			continue
		case h.Name == "Via":
			h.Value += "=" + strconv.Itoa(int(w.carrier.address(r.from).Port()))
		case h.Name == "To" && st.Status > 100 && !strings.Contains(h.Value, ";tag="):
			h.Value += ";tag=" + tag
		}
		head = append(head, h)
	}
	head = append(head, w.responseHeaders(st, r)...)
	line := "SIP/2.0 " + strconv.Itoa(st.Status) + " " + reason(st)
	var body []byte
	if r.method == "INVITE" && (st.Status == 183 || st.Status/100 == 2) || st.has("sdp") || st.Body != nil {
		body = w.body(st, &request{d: r.d, from: r.to, to: r.from, method: "INVITE"})
	}
	return compose(line, st, head, body)
}

func (w *writer) responseHeaders(st *Step, r *request) (head []Header) {
	switch {
	case st.Status == 100:
		return nil
	case st.Status == 401:
		head = append(head, Header{"WWW-Authenticate", challenge(r)})
	case st.Status == 407:
		head = append(head, Header{"Proxy-Authenticate", challenge(r)})
	case st.Status/100 == 3:
		head = append(head, Header{"Contact", "<sip:+13035550198@192.0.2.98>"})
	case r.method == "REGISTER" && st.Status == 200:
		head = append(head, Header{"Contact", w.contact(r.from) + ";expires=" + r.d.expires})
	case r.method == "INVITE" && st.Status < 300:
		head = append(append(head, Header{"Contact", w.contact(r.to)}), w.persona.Reply...)
	}
	return append(head, Header{"Server", w.persona.Agent})
}

func challenge(r *request) string {
	return fmt.Sprintf(`Digest realm="%s", nonce="%s", algorithm=MD5`, realm, Token(r.d.id, "nonce"))
}

// body returns the body of a request, or nil: that of the ladder, or a session description where one belongs.
func (w *writer) body(st *Step, r *request) []byte {
	switch {
	case st.Body != nil:
		return st.Body
	case st.has("nosdp") || r.method != "INVITE" && !st.has("sdp") && !st.has("hold"):
		return nil
	}
	at := w.carrier.address(r.from)
	family, direction := "IP4", "sendrecv"
	if at.Addr().Is6() {
		family = "IP6"
	}
	if st.has("hold") {
		direction = "sendonly"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "v=0\r\no=%s %d %d IN %s %s\r\ns=call\r\nc=IN %[4]s %[5]s\r\nt=0 0\r\n", r.from.name,
		1000+r.from.index, 1+r.seq, family, at.Addr())
	fmt.Fprintf(&b, "m=audio %d RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n", 16384+2*r.from.index)
	fmt.Fprintf(&b, "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=%s\r\n", direction)
	return b.Bytes()
}

// compose joins start line, headers and body; the headers of st replace those of the same name.
func compose(line string, st *Step, head []Header, body []byte) []byte {
	if body != nil {
		head = append(head, Header{"Content-Type", "application/sdp"})
	}
	head = append(head, Header{"Content-Length", strconv.Itoa(len(body))})
	var b bytes.Buffer
	b.WriteString(line + "\r\n")
	for _, h := range head {
		if !replaced(h.Name, st.Headers) {
			b.WriteString(h.Name + ": " + h.Value + "\r\n")
		}
	}
	for _, h := range st.Headers {
		if h.Value != "" {
			b.WriteString(h.Name + ": " + h.Value + "\r\n")
		}
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

func replaced(name string, by []Header) bool {
	for _, h := range by {
		if strings.EqualFold(h.Name, name) {
			return true
		}
	}
	return false
}

var reasons = map[int]string{100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued",
	183: "Session Progress", 199: "Early Dialog Terminated", 200: "OK", 202: "Accepted", 300: "Multiple Choices",
	301: "Moved Permanently", 302: "Moved Temporarily", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
	404: "Not Found", 407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone",
	480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 484: "Address Incomplete", 486: "Busy Here",
	487: "Request Terminated", 488: "Not Acceptable Here", 491: "Request Pending", 500: "Server Internal Error",
	503: "Service Unavailable", 504: "Server Time-out", 600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere",
	607: "Unwanted", 608: "Rejected"}

func reason(st *Step) string {
	if r := st.word("reason"); r != "" {
		return strings.ReplaceAll(r, "_", " ")
	}
	if r, ok := reasons[st.Status]; ok {
		return r
	}
	return "Other"
}
