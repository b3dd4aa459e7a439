package cpni

import (
	"slices"

	"sipsieve/sip/facts"
)

// remembered are the Fields that the Tracker has of a restored call: how it went, in numbers.
var remembered = func() (set [maxFields]bool) {
	for name := range outcomeFields {
		if f, ok := FieldOf(name); ok && name != sessionGroup && name != correlation && name != correlationScore {
			set[f] = true
		}
	}
	return set
}()

// AppendSnapshot adds to the Facts of a call that is to be restored the snapshot of a purpose.
func AppendSnapshot(fs *facts.Facts, purpose string, snapshot []byte) {
	fs.Append(facts.Frozen, slices.Concat([]byte(purpose), []byte{0}, snapshot))
}
