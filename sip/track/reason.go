package track

import (
	"bytes"

	"sipsieve/sip"
	"sipsieve/sip/syntax"
)

// reason returns the Q.850 cause that m's Reason headers give (RFC 3326), 0 without one. No text is read.
func reason(m *sip.Message) uint8 {
	for _, s := range m.Spans[:m.N] {
		if s.Header != sip.Reason {
			continue
		}
		if c := causeIn(m.At(s)); c != 0 {
			return c
		}
	}
	return 0
}

func causeIn(v []byte) uint8 {
	for len(v) > 0 {
		one := v
		if i := bytes.IndexByte(v, ','); i >= 0 {
			one, v = v[:i], v[i+1:]
		} else {
			v = nil
		}
		one = bytes.TrimSpace(one)
		if len(one) < 5 || !bytes.EqualFold(one[:5], []byte("q.850")) {
			continue
		}
		c, ok := syntax.Param(one, "cause")
		if n := seconds(c); ok && n < 128 {
			return uint8(n)
		}
	}
	return 0
}
