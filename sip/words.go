package sip

import "math/bits"

var refusalNames = [Refusals]string{"too_long", "no_call_id", "dup_single", "bad_cseq"}

// String returns the word that the ledger and the metrics use.
func (r Refusal) String() string {
	if r < Refusals {
		return refusalNames[r]
	}
	return "unknown"
}

var flagNames = [...]string{"truncated", "cseq_mismatch", "bare_lf", "body_short", "uri_bad", "folded", "repeated"}

// String returns the word of the lowest bit of f.
func (f Flags) String() string {
	if i := bits.TrailingZeros16(uint16(f)); i < len(flagNames) {
		return flagNames[i]
	}
	return "none"
}
