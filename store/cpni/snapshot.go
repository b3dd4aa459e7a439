package cpni

import (
	"slices"

	"sipsieve/sip/facts"
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

// AppendFrozen adds to the Facts of a call that is to be restored what was frozen of it for a purpose.
func AppendFrozen(fs *facts.Facts, purpose string, frozen []byte) {
	fs.Append(facts.Frozen, slices.Concat([]byte(purpose), []byte{0}, frozen))
}
