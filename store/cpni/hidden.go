package cpni

import (
	"fmt"
	"log/slog"
)

// Hidden is text about a person. However it is printed, logged or encoded, the text does not show:
// it stands behind a pointer, which fmt does not follow inside another struct.
type Hidden struct{ text *string }

// Hide returns s as Hidden.
func Hide(s string) Hidden { return Hidden{&s} }

// Reveal returns the text. Only rooms with the liberty "reveal" of the house test may call it.
func Reveal(h Hidden) string {
	if h.text == nil {
		return ""
	}
	return *h.text
}

// Format writes a mask for every verb and flag.
func (h Hidden) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("***")) }

// LogValue is what slog writes for h.
func (h Hidden) LogValue() slog.Value { return slog.StringValue("***") }

// MarshalText keeps encoders from writing h.
func (h Hidden) MarshalText() ([]byte, error) { return []byte("***"), nil }
