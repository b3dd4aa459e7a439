package track

import (
	"github.com/dchest/siphash"

	"sipsieve/sip/syntax"
)

// A mark tells texts about one address-of-record apart, 0 for no text.
func markOf(record Key, parts ...[]byte) uint64 {
	var room [256]byte
	text := room[:0]
	for _, p := range parts {
		text = append(append(text, p...), 0)
	}
	if len(text) == len(parts) {
		return 0
	}
	for i, c := range text {
		text[i] = syntax.Lower(c)
	}
	k := record.short()
	return siphash.Hash(k, ^k, text) | 1
}
