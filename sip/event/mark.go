package event

import (
	"github.com/dchest/siphash"

	"sipsieve/sip/syntax"
)

// Mark returns a number that tells the texts about what k stands for apart, 0 for no text. Case makes no difference.
func (k Key) Mark(parts ...[]byte) uint64 {
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
	n := k.Short()
	return siphash.Hash(n, ^n, text) | 1
}
