package facts

import (
	"bytes"

	"sipsieve/sip"
	"sipsieve/sip/syntax"
)

// Cause returns the Q.850 cause of m's Reason headers (RFC 3326), 0 without one. No text is read.
func Cause(m *sip.Message) uint8 {
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

// causeIn returns the first Q.850 cause in a value of Reason, 0 without one.
func causeIn(v []byte) uint8 {
	for one := range bytes.SplitSeq(v, []byte(",")) {
		one = bytes.TrimSpace(one)
		if !syntax.HasPrefixFold(one, "q.850") {
			continue
		}
		c, ok := syntax.Param(one, "cause")
		if n := leadingNumber(c); ok && n < 128 {
			return uint8(n)
		}
	}
	return 0
}
