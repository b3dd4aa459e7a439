package cpni

import (
	"bytes"
	"slices"

	"sipsieve/sip/track"
)

// told says which Fields are how a call went, as the Tracker remembers it in numbers.
var told = func() (set [maxFields]bool) {
	for name := range outcomeFields {
		if f, ok := FieldOf(name); ok && name != sessionGroup && name != correlation && name != correlationScore {
			set[f] = true
		}
	}
	return set
}()

// Told reports whether f is how a call went: when, how long, how often, with which end. The Tracker of a restored call
// has it, and goes on with it. Every other Field is read of texts and addresses, or of other calls, that are gone then.
func (f Field) Told() bool { return told[f] }

// Restored reports whether r is of a call that was taken up again after a restart.
func (r *Record) Restored() bool { return r.in.call != nil && r.in.call.Restored }

// Frozen returns what was frozen of a restored call for a purpose, nil if nothing was.
func (r *Record) Frozen(purpose string) []byte {
	if r.in.call == nil {
		return nil
	}
	for v := range r.in.facts.All(track.Frozen) {
		if name, frozen, _ := bytes.Cut(v, []byte{0}); string(name) == purpose {
			return frozen
		}
	}
	return nil
}

// AppendFrozen adds to the Facts of a call that is to be restored what was frozen of it for a purpose.
func AppendFrozen(facts *track.Facts, purpose string, frozen []byte) {
	facts.Append(track.Frozen, slices.Concat([]byte(purpose), []byte{0}, frozen))
}
