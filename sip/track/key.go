package track

import (
	"fmt"
	"log/slog"
)

// A Key stands for a text about a call: its Call-ID or a tag, hashed under a key of this fleet.
// However it is printed, logged or encoded, it does not show.
type Key [16]byte

// Format writes a mask for every verb and flag.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("***")) }

// LogValue is what slog writes for k.
func (k Key) LogValue() slog.Value { return slog.StringValue("***") }

// MarshalText keeps encoders from writing k.
func (k Key) MarshalText() ([]byte, error) { return []byte("***"), nil }

// A Keyer makes Keys. Two Keyers of one root make the same Keys.
type Keyer struct{ k0, k1 uint64 }
