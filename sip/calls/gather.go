// This file has methods of Table because a file is what one kind of message, or one moment in the life of a call, does to it.

package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/facts"
)

// factsOf returns the Facts of d, which are valid until d gets others.
func (t *Table) factsOf(d *dialog.Dialog) facts.Facts { return facts.FromBytes(t.texts.Get(d.Text)) }

// keep makes f the Facts of d.
func (t *Table) keep(d *dialog.Dialog, f facts.Facts) {
	d.Text, d.Regathered = t.texts.Put(d.Text, f.Bytes()), true
	t.counts.Opaque += t.gather.Opaque()
}

// gatherInvite keeps the Facts of the INVITE that opens a call.
func (t *Table) gatherInvite(d *dialog.Dialog, m *sip.Message) { t.keep(d, t.gather.Invite(m)) }

// regatherInvite keeps the Facts of the INVITE m on the caller's hop in the place of those of another hop's.
func (t *Table) regatherInvite(d *dialog.Dialog, m *sip.Message) {
	old := t.factsOf(d).Clone()
	t.gatherInvite(d, m)
	for _, f := range [...]facts.Fact{facts.CalleeTag, facts.ServerText} {
		if v := old.First(f); v != nil && d.Answered() {
			t.gatherTag(d, f, v)
		}
	}
}

// gatherInside keeps the Facts of a message inside a dialog whose INVITE was not seen.
func (t *Table) gatherInside(d *dialog.Dialog, m *sip.Message) { t.keep(d, t.gather.Inside(m)) }

// gatherAnswer keeps the Facts of the 2xx that answers a call.
func (t *Table) gatherAnswer(d *dialog.Dialog, m *sip.Message) {
	t.keep(d, t.gather.Answer(t.factsOf(d), m))
}

// gatherEarly keeps the media of a provisional response.
func (t *Table) gatherEarly(d *dialog.Dialog, m *sip.Message) {
	t.keep(d, t.gather.EarlyMedia(t.factsOf(d), m))
}

// gatherTag keeps a value of f in the place of those that d has.
func (t *Table) gatherTag(d *dialog.Dialog, f facts.Fact, v []byte) {
	t.keep(d, t.gather.Replace(t.factsOf(d), f, v))
}

// gatherCredentials keeps the account of an INVITE that is sent again after a challenge.
func (t *Table) gatherCredentials(d *dialog.Dialog, m *sip.Message) {
	if f := t.factsOf(d); f.First(facts.AuthUser) == nil {
		t.keep(d, t.gather.Credentials(f, m))
	}
}

// gatherTransfer keeps to whom a call is transferred: of several REFERs the last.
func (t *Table) gatherTransfer(d *dialog.Dialog, m *sip.Message) {
	t.keep(d, t.gather.Transfer(t.factsOf(d), m))
}
