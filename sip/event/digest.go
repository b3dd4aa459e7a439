package event

import (
	"encoding/binary"
	"time"

	"github.com/dchest/siphash"
)

// Digest returns a number that is equal for two Calls with equal contents, in every run: a Correction that equals what
// was published last is not published.
func (c *Call) Digest() uint64 {
	var room [320]byte
	b := room[:0]
	for _, t := range []time.Time{c.FirstSeen, c.Setup, c.Progress, c.Ring, c.Answer, c.End} {
		ns := int64(0)
		if !t.IsZero() {
			ns = t.UnixNano()
		}
		b = binary.BigEndian.AppendUint64(b, uint64(ns))
	}
	for _, n := range []int{int(c.Disposition), c.Code, c.Cause, int(c.EndCause), int(c.EndSource), int(c.DisconnectBy),
		int(c.Status), int(c.Missing), c.Completeness, int(c.Flags), int(c.Transfer), c.Retransmissions, c.Challenges,
		c.Redirects, c.Forks, c.Reinvites, c.Holds, int(c.Held), c.SessionExpires, c.Vias, int(c.VLAN), int(c.OnwardVLAN)} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	for _, is := range []bool{c.EarlyMedia, c.Restored} {
		b = append(b, 0)
		if is {
			b[len(b)-1] = 1
		}
	}
	for _, a := range []interface{ AppendBinary([]byte) ([]byte, error) }{c.Flow.Src, c.Flow.Dst, c.Onward.Src,
		c.Onward.Dst} {
		b, _ = a.AppendBinary(b)
		b = append(b, 0)
	}
	return siphash.Hash(siphash.Hash(0, 0, b), uint64(len(b)), c.Facts.Bytes())
}
