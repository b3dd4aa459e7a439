package decode

import (
	"encoding/binary"
	"testing"

	"sipsieve/capture"
)

// A chunk of SCTP: DATA of one whole message by default.
type chunk struct {
	kind, flags byte // flags 0 for those of a whole message
	data        string
}

func sctpPacket(chunks ...chunk) []byte {
	b := binary.BigEndian.AppendUint16(nil, 5060)
	b = binary.BigEndian.AppendUint16(b, 5060)
	b = append(b, 0, 0, 0, 1, 0, 0, 0, 0)
	for _, c := range chunks {
		if c.flags == 0 {
			c.flags = sctpWhole
		}
		b = append(b, c.kind, c.flags)
		b = binary.BigEndian.AppendUint16(b, uint16(16+len(c.data)))
		b = append(append(b, make([]byte, 12)...), c.data...)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
	}
	return b
}

func TestMessagesOfSCTPAreGiven(t *testing.T) {
	for name, test := range map[string]struct {
		chunks []chunk
		want   string
		why    capture.Reason
	}{
		"one":             {[]chunk{{data: "OPTIONS"}}, "OPTIONS", 0},
		"several":         {[]chunk{{data: "one"}, {kind: 3, data: "sack"}, {data: "two"}}, "onetwo", 0},
		"none":            {[]chunk{{kind: 4, data: "heartbeat"}}, "", capture.Empty},
		"a part":          {[]chunk{{flags: 2, data: "OPT"}}, "", capture.MessagePart},
		"a part, a whole": {[]chunk{{flags: 1, data: "IONS"}, {data: "two"}}, "two", 0},
		"empty":           {[]chunk{{data: ""}}, "", capture.Malformed},
	} {
		for _, v6 := range []bool{false, true} {
			d := newDecoder(t, DefaultConfig())
			d.feed(ipPacket(v6, 1, 132, sctpPacket(test.chunks...), 0, false, 0))
			if got := d.text(); got != test.want || got == "" && d.refused(test.why) != 1 {
				t.Errorf("%s: got = %q, want %q; refused = %v", name, got, test.want, d.count.Drops().Refused)
			}
			for _, p := range d.out {
				if p.Flow.Transport != capture.SCTP || p.Stream != 0 || p.Cut {
					t.Errorf("%s: transport = %v, stream = %d, want sctp and 0", name, p.Flow.Transport, p.Stream)
				}
			}
		}
	}
}

func TestTruncatedChunkIsMarked(t *testing.T) {
	d := newDecoder(t, DefaultConfig())
	ip := ipPacket(false, 1, 132, sctpPacket(chunk{data: "OPTIONS sip:bob"}), 0, false, 0)
	d.frame(&Frame{Time: newYear, Link: Raw, Data: ip[:55], Length: len(ip)})
	if got := d.text(); got != "OPTIONS" || !d.out[0].Cut {
		t.Errorf("got = %q, want OPTIONS, cut", got)
	}
}
