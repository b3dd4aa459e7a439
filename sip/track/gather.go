package track

import (
	"bytes"
	"strconv"

	"sipsieve/sip"
)

// mostText bounds one text of a Fact, in bytes; a Call-ID may be as long as its line.
const mostText = 512

// gatherInvite keeps the Facts of the INVITE that opens a call.
func (t *Tracker) gatherInvite(d *dialog, m *sip.Message) {
	f := t.start()
	f.Append(CallIDText, m.Value(sip.CallID))
	f.append(CallerTag, m.FromTag())
	for _, s := range m.Spans[:m.N] {
		f.gather(s.Header, m.At(s))
	}
	f.gatherMedia(m.Value(sip.Media))
	t.keep(d, f)
}

// gatherInside keeps the Facts of a message inside a dialog whose INVITE was not seen. Of a BYE alone nobody knows
// who called; else the From tag is taken for the caller's.
func (t *Tracker) gatherInside(d *dialog, m *sip.Message) {
	f := t.start()
	f.Append(CallIDText, m.Value(sip.CallID))
	f.append(CallerTag, m.FromTag())
	f.append(CalleeTag, m.ToTag())
	if d.phase != byeOnly {
		f.gather(sip.From, m.Value(sip.From))
		f.gather(sip.To, m.Value(sip.To))
		f.gatherMedia(m.Value(sip.Media))
	}
	t.keep(d, f)
}

// gatherAnswer keeps the Facts of the 2xx that answers a call; its codecs take the place of the offer's.
func (t *Tracker) gatherAnswer(d *dialog, m *sip.Message) {
	f := t.start()
	media := m.Value(sip.Media)
	for old := t.texts.get(d.text); len(old) >= 3; {
		n := 3 + (int(old[1]) | int(old[2])<<8)
		fact := Fact(old[0])
		if fact != CalleeTag && (len(media) == 0 || !answerWins(fact)) {
			f.text = append(f.text, old[:n]...)
		}
		old = old[n:]
	}
	f.append(CalleeTag, m.ToTag())
	f.append(ServerText, m.Value(sip.Server))
	f.gatherMedia(media)
	t.keep(d, f)
}

// answerWins reports whether the answer's fact takes the place of the offer's (RFC 3264 section 6.1).
func answerWins(f Fact) bool {
	return f == MediaType || f == MediaCodec || f == MediaProfile || f == MediaCrypto
}

// gatherTag puts one Fact in the place of those of its kind.
func (t *Tracker) gatherTag(d *dialog, fact Fact, value []byte) {
	f := t.start()
	for old := t.texts.get(d.text); len(old) >= 3; {
		n := 3 + (int(old[1]) | int(old[2])<<8)
		if Fact(old[0]) != fact {
			f.text = append(f.text, old[:n]...)
		}
		old = old[n:]
	}
	f.append(fact, value)
	t.keep(d, f)
}

// gatherCredentials keeps the account of an INVITE that is sent again after a challenge.
func (t *Tracker) gatherCredentials(d *dialog, m *sip.Message) {
	f := t.start()
	f.text = append(f.text, t.texts.get(d.text)...)
	if f.First(AuthUser) != nil {
		return
	}
	for _, s := range m.Spans[:m.N] {
		if s.Header == sip.Authorization || s.Header == sip.ProxyAuthorization {
			f.gather(s.Header, m.At(s))
		}
	}
	t.keep(d, f)
}

// gatherTransfer keeps where a call was handed on to.
func (t *Tracker) gatherTransfer(d *dialog, m *sip.Message) {
	f := t.start()
	f.text = append(f.text, t.texts.get(d.text)...)
	f.gather(sip.ReferTo, m.Value(sip.ReferTo))
	f.gather(sip.ReferredBy, m.Value(sip.ReferredBy))
	t.keep(d, f)
}

func (t *Tracker) start() *Facts {
	t.scratch.text = t.scratch.text[:0]
	return &t.scratch
}

func (t *Tracker) keep(d *dialog, f *Facts) {
	d.text = t.texts.put(d.text, f.text)
	t.counts.Opaque += f.opaque
	f.opaque = 0
}

func (fs *Facts) append(f Fact, value []byte) { fs.Append(f, value[:min(len(value), mostText)]) }

// gather appends the Facts of one value of header h.
func (fs *Facts) gather(h sip.Header, v []byte) {
	switch h {
	case sip.From:
		fs.party(v, CallerNumber, CallerHost)
		if named(v) {
			fs.append(CallerName, []byte("1"))
		}
		fs.uriParam(CallerCategory, v, "cpc")
		fs.uriParam(LineInfo, v, "isup-oli")
		fs.uriParam(Verification, v, "verstat")
	case sip.To:
		fs.party(v, CalledNumber, CalledHost)
	case sip.RequestURI:
		fs.requestURI(v)
	case sip.PAssertedIdentity:
		fs.numbers(AssertedNumber, v)
		fs.uriParam(CallerCategory, v, "cpc")
		fs.uriParam(LineInfo, v, "isup-oli")
		fs.uriParam(Verification, v, "verstat")
	case sip.PPreferredIdentity, sip.RemotePartyID:
		fs.numbers(ClaimedNumber, v)
	case sip.PChargeInfo:
		fs.numbers(ChargeNumber, v)
	case sip.PCalledPartyID, sip.HistoryInfo:
		fs.numbers(HistoryNumber, v)
	case sip.Diversion:
		fs.diversion(v)
	case sip.ReferredBy:
		fs.numbers(ReferredByNumber, v)
	case sip.ReferTo:
		fs.numbers(TransferTarget, v)
		fs.append(ReplacedCall, replaced(v))
	case sip.Replaces:
		id, _, _ := bytes.Cut(v, []byte(";"))
		fs.append(ReplacedCall, bytes.TrimSpace(id))
	case sip.Contact:
		fs.contact(v)
	default:
		fs.gatherRest(h, v)
	}
}

// gatherRest is gather for the headers that hold no address.
func (fs *Facts) gatherRest(h sip.Header, v []byte) {
	switch h {
	case sip.PChargingVector:
		fs.charging(v)
	case sip.Privacy:
		for word := range bytes.SplitSeq(v, []byte(";")) {
			fs.append(PrivacyValue, bytes.ToLower(bytes.TrimSpace(word)))
		}
	case sip.SessionID:
		id, _, _ := bytes.Cut(v, []byte(";"))
		fs.append(SessionUUID, bytes.TrimSpace(id))
	case sip.Identity:
		fs.identity(v)
	case sip.Authorization, sip.ProxyAuthorization:
		name, value, _ := bytes.Cut(v, []byte("="))
		value = bytes.Trim(bytes.TrimSpace(value), `"`)
		switch string(bytes.ToLower(bytes.TrimSpace(name))) {
		case "username":
			fs.append(AuthUser, value)
		case "realm":
			fs.append(AuthRealm, value)
		}
	case sip.Geolocation:
		fs.append(LocationSeen, []byte("1"))
	case sip.PAccessNetworkInfo:
		fs.append(AccessNetworkSeen, []byte("1"))
	case sip.Priority:
		if bytes.EqualFold(bytes.TrimSpace(v), []byte("emergency")) {
			fs.append(PriorityEmergency, []byte("1"))
		}
	case sip.RecordRoute, sip.Route, sip.Path, sip.ServiceRoute:
		sip.Addresses(v, func(a []byte) { _, host := userHost(a); fs.append(RouteHost, host) })
	case sip.Via:
		fs.via(v)
	default:
		if f := plain[h]; f != 0 {
			fs.append(f, v)
		}
	}
}

// plain are the headers whose value is a Fact as it stands.
var plain = [sip.Headers]Fact{
	sip.UserAgent: UserAgentText, sip.Server: ServerText, sip.ResourcePriority: ResourcePriorityText,
	sip.PVisitedNetworkID: VisitedNetworkText, sip.Supported: SupportedText, sip.Require: SupportedText,
	sip.ProxyRequire: SupportedText, sip.Allow: AllowText, sip.AllowEvents: AllowText, sip.Event: EventText,
}

func (fs *Facts) party(v []byte, number, host Fact) {
	a := fs.address(v, sip.ParseAddress)
	fs.append(number, dialled([]byte(a.User)))
	fs.append(host, []byte(a.Host))
}

// address reads v. One that cannot be read is counted and kept as far as the eye can see: the call is not lost for it.
func (fs *Facts) address(v []byte, read func([]byte) (sip.Address, error)) sip.Address {
	a, err := read(v)
	if err == nil {
		return a
	}
	fs.opaque++
	user, host := userHost(v)
	if user == nil && tel(v) {
		user, host = host, nil
	}
	return sip.Address{User: string(user), Host: string(host)}
}

func (fs *Facts) requestURI(v []byte) {
	uri := bytes.ToLower(v[:min(len(v), mostText)])
	if bytes.HasPrefix(uri, []byte("urn:")) {
		fs.append(DialedService, uri)
		return
	}
	a := fs.address(v, sip.ParseURI)
	fs.append(DialedNumber, dialled([]byte(a.User)))
	fs.append(DialedHost, []byte(a.Host))
	fs.uriParam(RoutingNumber, v, "rn")
	fs.uriParam(CarrierCode, v, "cic")
	fs.uriParam(TrunkGroup, v, "tgrp")
	fs.uriParam(TrunkContext, v, "trunk-context")
	if bytes.Contains(uri, []byte(";npdi")) {
		fs.append(PortingDip, []byte("1"))
	}
}

// numbers appends the number of each address in v.
func (fs *Facts) numbers(f Fact, v []byte) {
	sip.Addresses(v, func(a []byte) {
		fs.append(f, dialled([]byte(fs.address(a, sip.ParseAddress).User)))
	})
}

func (fs *Facts) diversion(v []byte) {
	first := fs.First(DivertedNumber) == nil
	sip.Addresses(v, func(a []byte) {
		if !first {
			return
		}
		first = false
		fs.numbers(DivertedNumber, a)
		fs.param(DivertedReason, a, "reason")
		fs.param(DivertedCount, a, "counter")
	})
}

func (fs *Facts) contact(v []byte) {
	done := false
	sip.Addresses(v, func(a []byte) {
		if done {
			return
		}
		done = true
		contact := fs.address(a, sip.ParseAddress)
		fs.append(ContactUser, []byte(contact.User))
		fs.append(ContactHost, []byte(contact.Host))
		if contact.Port != 0 {
			fs.append(ContactPort, strconv.AppendInt(nil, int64(contact.Port), 10))
		}
		fs.param(RegID, a, "reg-id")
		if id, ok := sip.ParamOf(a, "+sip.instance"); ok {
			fs.append(InstanceID, bytes.Trim(id, "<>"))
		}
	})
}

func (fs *Facts) via(v []byte) {
	if fs.First(ViaSentBy) != nil {
		return
	}
	head, _, _ := bytes.Cut(v, []byte(";"))
	head = bytes.TrimSpace(head)
	if i := bytes.LastIndexAny(head, " \t"); i >= 0 {
		fs.append(ViaSentBy, head[i+1:])
	}
	fs.param(ViaReceived, v, "received")
}

func (fs *Facts) param(f Fact, v []byte, name string) {
	if p, ok := sip.ParamOf(v, name); ok {
		fs.append(f, p)
	}
}

// charging appends the parameters of P-Charging-Vector, which has nothing but such (RFC 7315 section 5.6).
func (fs *Facts) charging(v []byte) {
	v = append([]byte(";"), v...)
	fs.param(ChargingVector, v, "icid-value")
	fs.param(ChargingOperator, v, "orig-ioi")
	fs.param(ChargingOperator, v, "term-ioi")
}

// uriParam appends a parameter of the URI in v, if f is not there yet.
func (fs *Facts) uriParam(f Fact, v []byte, name string) {
	uri := uriIn(v)
	for len(uri) > 0 && fs.First(f) == nil {
		var part []byte
		part, uri, _ = bytes.Cut(uri, []byte(";"))
		key, value, _ := bytes.Cut(part, []byte("="))
		if bytes.EqualFold(bytes.TrimSpace(key), []byte(name)) {
			if i := bytes.IndexAny(value, "@?> ,"); i >= 0 {
				value = value[:i]
			}
			fs.append(f, value)
		}
	}
}
