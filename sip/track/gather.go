package track

import (
	"sipsieve/sip"
	"sipsieve/sip/facts"
)

// factsOf returns the Facts of d, which are valid until d gets others.
func (t *callTable) factsOf(d *dialog) facts.Facts { return facts.FromBytes(t.texts.Get(d.text)) }

// keep makes f the Facts of d.
func (t *callTable) keep(d *dialog, f facts.Facts) {
	d.text, d.regathered = t.texts.Put(d.text, f.Bytes()), true
	t.counts.Opaque += t.gather.Opaque()
}

// gatherInvite keeps the Facts of the INVITE that opens a call.
func (t *callTable) gatherInvite(d *dialog, m *sip.Message) { t.keep(d, t.gather.Invite(m)) }

// regatherInvite keeps the Facts of the INVITE m on the caller's hop in the place of those of another hop's.
func (t *callTable) regatherInvite(d *dialog, m *sip.Message) {
	old := t.factsOf(d).Clone()
	t.gatherInvite(d, m)
	for _, f := range [...]facts.Fact{facts.CalleeTag, facts.ServerText} {
		if v := old.First(f); v != nil && d.answered() {
			t.gatherTag(d, f, v)
		}
	}
}

// gatherInside keeps the Facts of a message inside a dialog whose INVITE was not seen.
func (t *callTable) gatherInside(d *dialog, m *sip.Message) { t.keep(d, t.gather.Inside(m)) }

// gatherAnswer keeps the Facts of the 2xx that answers a call.
func (t *callTable) gatherAnswer(d *dialog, m *sip.Message) {
	t.keep(d, t.gather.Answer(t.factsOf(d), m))
}

// gatherEarly keeps the media of a provisional response.
func (t *callTable) gatherEarly(d *dialog, m *sip.Message) {
	t.keep(d, t.gather.EarlyMedia(t.factsOf(d), m))
}

// gatherTag keeps a value of f in the place of those that d has.
func (t *callTable) gatherTag(d *dialog, f facts.Fact, v []byte) {
	t.keep(d, t.gather.Replace(t.factsOf(d), f, v))
}

// gatherCredentials keeps the account of an INVITE that is sent again after a challenge.
func (t *callTable) gatherCredentials(d *dialog, m *sip.Message) {
	if f := t.factsOf(d); f.First(facts.AuthUser) == nil {
		t.keep(d, t.gather.Credentials(f, m))
	}
}

// gatherTransfer keeps to whom a call is transferred: of several REFERs the last.
func (t *callTable) gatherTransfer(d *dialog, m *sip.Message) {
	t.keep(d, t.gather.Transfer(t.factsOf(d), m))
}
