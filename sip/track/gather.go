package track

import "sipsieve/sip"

// gatherInvite keeps the Facts of the INVITE that opens a call.
func (t *callTable) gatherInvite(d *dialog, m *sip.Message) {
	f := t.start()
	f.Append(CallIDText, m.Value(sip.CallID))
	f.tag(CallerTag, m.FromTag())
	for _, s := range m.Spans[:m.N] {
		f.gather(s.Header, m.At(s))
	}
	f.gatherLate(m)
	f.gatherMedia(m.Value(sip.Media))
	t.keep(d, f)
}

// regatherInvite keeps the Facts of the INVITE on the caller's hop, which another hop's were taken for.
func (t *callTable) regatherInvite(d *dialog, m *sip.Message) {
	old := Facts{text: append([]byte(nil), t.texts.Get(d.text)...)}
	t.gatherInvite(d, m)
	for _, f := range [...]Fact{CalleeTag, ServerText} {
		if v := old.First(f); v != nil && d.answered() {
			t.gatherTag(d, f, v)
		}
	}
}

// gatherInside keeps the Facts of a message inside a dialog whose INVITE was not seen. Of a BYE alone nobody knows
// who called; else the From tag is taken for the caller's.
func (t *callTable) gatherInside(d *dialog, m *sip.Message) {
	f := t.start()
	f.Append(CallIDText, m.Value(sip.CallID))
	f.tag(CallerTag, m.FromTag())
	f.tag(CalleeTag, m.ToTag())
	if m.Method != sip.Bye {
		f.gather(sip.From, m.Value(sip.From))
		f.gather(sip.To, m.Value(sip.To))
		f.gatherMedia(m.Value(sip.Media))
	}
	t.keep(d, f)
}

// gatherAnswer keeps the Facts of the 2xx that answers a call; its codecs take the place of the offer's.
func (t *callTable) gatherAnswer(d *dialog, m *sip.Message) {
	media := m.Value(sip.Media)
	f := t.without(d, func(fact Fact) bool { return fact == CalleeTag || len(media) > 0 && answerWins(fact) })
	if f.First(CallIDText) == nil { // restored: the texts are gone, and the dialog is named by them
		f.Append(CallIDText, m.Value(sip.CallID))
		f.tag(CallerTag, m.FromTag())
	}
	f.tag(CalleeTag, m.ToTag())
	f.append(ServerText, m.Value(sip.Server))
	f.gatherMedia(media)
	t.keep(d, f)
}

// gatherEarly keeps the codecs of a provisional response: they are the answer, if the 2xx has none (RFC 3262
// section 5).
func (t *callTable) gatherEarly(d *dialog, m *sip.Message) {
	f := t.without(d, answerWins)
	f.gatherMedia(m.Value(sip.Media))
	t.keep(d, f)
}

// without begins the Facts of d anew, those left out that gone names.
func (t *callTable) without(d *dialog, gone func(Fact) bool) *Facts {
	f := t.start()
	for old := t.texts.Get(d.text); len(old) >= 3; {
		n := 3 + (int(old[1]) | int(old[2])<<8)
		if !gone(Fact(old[0])) {
			f.text = append(f.text, old[:n]...)
		}
		old = old[n:]
	}
	return f
}

// answerWins reports whether the answer's fact takes the place of the offer's (RFC 3264 section 6.1). The address
// stays the caller's.
func answerWins(f Fact) bool {
	return f == MediaType || f == MediaCodec || f == MediaProfile || f == MediaCrypto
}

// gatherTag puts one Fact in the place of those of its kind.
func (t *callTable) gatherTag(d *dialog, fact Fact, value []byte) {
	f := t.without(d, func(old Fact) bool { return old == fact })
	f.tag(fact, value)
	t.keep(d, f)
}

// gatherCredentials keeps the account of an INVITE that is sent again after a challenge.
func (t *callTable) gatherCredentials(d *dialog, m *sip.Message) {
	f := t.start()
	f.text = append(f.text, t.texts.Get(d.text)...)
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

// gatherTransfer keeps where a call was handed on to: of several tries the last.
func (t *callTable) gatherTransfer(d *dialog, m *sip.Message) {
	f := t.without(d, func(old Fact) bool {
		return old == TransferTarget || old == ReplacedCall || old == ReferredByNumber && m.Value(sip.ReferredBy) != nil
	})
	f.gather(sip.ReferTo, m.Value(sip.ReferTo))
	f.gather(sip.ReferredBy, m.Value(sip.ReferredBy))
	t.keep(d, f)
}

func (t *callTable) start() *Facts {
	t.scratch.text = t.scratch.text[:0]
	return t.scratch
}

func (t *callTable) keep(d *dialog, f *Facts) {
	d.text, d.regathered = t.texts.Put(d.text, f.text), true
	t.counts.Opaque += f.opaque
	f.opaque = 0
}
