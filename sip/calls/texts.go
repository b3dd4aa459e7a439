package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/facts"
	"sipsieve/sip/mem"
)

// texts hold the Facts of dialogs.
type texts struct {
	arena  mem.Arena
	gather *facts.Gather
	opaque uint64 // addresses that could not be read
}

// of returns the Facts of d, which are valid until d gets others.
func (x *texts) of(d *dialog.Dialog) facts.Facts { return facts.FromBytes(x.arena.Get(d.Text)) }

// set makes f the Facts of d.
func (x *texts) set(d *dialog.Dialog, f facts.Facts) {
	d.Text, d.Regathered = x.arena.Put(d.Text, f.Bytes()), true
	x.opaque += x.gather.Opaque()
}

// invite keeps the Facts of the INVITE that opens a call.
func (x *texts) invite(d *dialog.Dialog, m *sip.Message) { x.set(d, x.gather.Invite(m)) }

// callersInvite replaces the Facts of an INVITE on another hop by those of m, the INVITE on the caller's hop. What the
// answer showed is kept.
func (x *texts) callersInvite(d *dialog.Dialog, m *sip.Message) {
	old := x.of(d).Clone()
	x.invite(d, m)
	for _, f := range [...]facts.Fact{facts.CalleeTag, facts.ServerText} {
		if v := old.First(f); v != nil && d.Answered() {
			x.replace(d, f, v)
		}
	}
}

// inside keeps the Facts of a message inside a dialog whose INVITE was not seen.
func (x *texts) inside(d *dialog.Dialog, m *sip.Message) { x.set(d, x.gather.Inside(m)) }

// answer keeps the Facts of the 2xx that answers a call.
func (x *texts) answer(d *dialog.Dialog, m *sip.Message) { x.set(d, x.gather.Answer(x.of(d), m)) }

// earlyMedia keeps the media of a provisional response.
func (x *texts) earlyMedia(d *dialog.Dialog, m *sip.Message) {
	x.set(d, x.gather.EarlyMedia(x.of(d), m))
}

// replace keeps v as the only value of f.
func (x *texts) replace(d *dialog.Dialog, f facts.Fact, v []byte) {
	x.set(d, x.gather.Replace(x.of(d), f, v))
}

// credentials keeps the account of an INVITE that is sent again after a challenge, if d has none yet.
func (x *texts) credentials(d *dialog.Dialog, m *sip.Message) {
	if f := x.of(d); f.First(facts.AuthUser) == nil {
		x.set(d, x.gather.Credentials(f, m))
	}
}

// transfer keeps the target of a REFER, in place of that of a REFER before it.
func (x *texts) transfer(d *dialog.Dialog, m *sip.Message) { x.set(d, x.gather.Transfer(x.of(d), m)) }

// noTransfer removes the target of a REFER that was refused.
func (x *texts) noTransfer(d *dialog.Dialog) { x.set(d, x.gather.NoTransfer(x.of(d))) }
