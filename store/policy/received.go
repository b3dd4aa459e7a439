package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"time"

	"sipsieve/store/cpni"
	"sipsieve/store/policy/syntax"
)

// ErrForeign is the cause when a payload is not an excerpt of our own schema.
var ErrForeign = errors.New("not an excerpt")

// Received admits a payload of our own schema from the bus; it is passed on byte for byte. Only store/bus calls it.
// The payload is kept, not copied. An error wraps ErrForeign: not one JSON object, an envelope key that is
// missing, repeated or of another type, a schema that is not of the kind, no such day. A payload of an older version
// may have no dialog.
func Received(payload []byte) (Excerpt, error) {
	var w wire
	if err := w.read(payload); err != nil {
		return Excerpt{}, fmt.Errorf("policy: received: %w: %w", ErrForeign, err)
	}
	day, err := time.Parse(time.DateOnly, w.expires)
	if err != nil {
		return Excerpt{}, fmt.Errorf("policy: received: %w: expires is no day", ErrForeign)
	}
	w.Expires = Date{day.Year(), day.Month(), day.Day()}
	if w.dialog != nil {
		w.Dialog = *w.dialog
	}
	for _, word := range w.missing {
		w.Missing |= cpni.MissingWord(word)
	}
	if w.ID == "" || w.Purpose == "" || w.Kind == "" || w.Sensor == "" || w.Site == "" || w.Revision < 1 {
		return Excerpt{}, fmt.Errorf("policy: received: %w: incomplete envelope", ErrForeign)
	}
	if !strings.HasPrefix(w.Schema, "sipsieve."+w.Kind+"/") {
		return Excerpt{}, fmt.Errorf("policy: received: %w: schema of another kind", ErrForeign)
	}
	return Excerpt{Envelope: w.Envelope, body: payload}, nil
}

// A wire is an Envelope as it is read, key by key, so that a key can neither stand twice nor in other letters.
type wire struct {
	Envelope
	expires string
	dialog  *string // null before an answer
	missing []string
}

// Keys of an envelope, as bits of those that were read.
const (
	keySchema = 1 << iota
	keyKind
	keyStage
	keyID
	keyRevision
	keyStatus
	keyCompleteness
	keyPurpose
	keyPolicy
	keyClass
	keyExpires
	keySite
	keySensor
	keySource
	keyDialog
	keyMissing

	requiredKeys = keyDialog - 1 // an older version wrote neither dialog nor missing
)

// keyOf returns the bit of a key, 0 of one that is not the envelope's.
func keyOf(key []byte) uint32 {
	switch string(key) {
	case "schema":
		return keySchema
	case "kind":
		return keyKind
	case "stage":
		return keyStage
	case "id":
		return keyID
	case "revision":
		return keyRevision
	case "status":
		return keyStatus
	case "completeness":
		return keyCompleteness
	case "purpose":
		return keyPurpose
	case "policy":
		return keyPolicy
	case "class":
		return keyClass
	case "expires":
		return keyExpires
	case "site":
		return keySite
	case "sensor":
		return keySensor
	case "source":
		return keySource
	case "dialog":
		return keyDialog
	case "missing":
		return keyMissing
	}
	return 0
}

// read takes the envelope out of payload. Its errors name keys of the envelope, never a value.
func (w *wire) read(payload []byte) error {
	if !syntax.Valid(payload) {
		return errors.New("not JSON")
	}
	s := scan{rest: payload}
	if !s.enter() {
		return errors.New("not an object")
	}
	var taken uint32
	for name, value, more := s.member(); more; name, value, more = s.member() {
		key := keyOf(name)
		if taken&key != 0 {
			return fmt.Errorf("%s stands twice", name)
		}
		taken |= key
		if key != 0 && !w.set(key, value) {
			return fmt.Errorf("%s is of another type", name)
		}
	}
	if lacks := requiredKeys &^ taken; lacks != 0 {
		return fmt.Errorf("%d keys are missing", bits.OnesCount32(lacks))
	}
	return nil
}

// set sets what key names to a value of JSON, and reports whether that is of its type; null is of every type.
func (w *wire) set(key uint32, value []byte) bool {
	if value[0] == 'n' {
		return true
	}
	texts := [...]struct {
		key uint32
		to  *string
	}{{keySchema, &w.Schema}, {keyKind, &w.Kind}, {keyStage, &w.Stage}, {keyID, &w.ID}, {keyStatus, &w.Status},
		{keyPurpose, &w.Purpose}, {keyPolicy, &w.Policy}, {keyClass, &w.Class}, {keyExpires, &w.expires},
		{keySite, &w.Site}, {keySensor, &w.Sensor}, {keySource, &w.Source}}
	switch key {
	case keyRevision:
		return readInt(value, &w.Revision)
	case keyCompleteness:
		return readInt(value, &w.Completeness)
	case keyMissing:
		return string(value) == "[]" || json.Unmarshal(value, &w.missing) == nil
	case keyDialog:
		w.dialog = new(string)
		return readText(value, w.dialog)
	}
	for _, one := range texts {
		if one.key == key {
			return readText(value, one.to)
		}
	}
	return false
}
