package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"sipsieve/store/cpni"
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

func (w *wire) places() map[string]any {
	return map[string]any{
		"schema": &w.Schema, "kind": &w.Kind, "stage": &w.Stage, "id": &w.ID, "revision": &w.Revision,
		"status": &w.Status, "completeness": &w.Completeness, "purpose": &w.Purpose, "policy": &w.Policy,
		"class": &w.Class, "expires": &w.expires, "site": &w.Site, "sensor": &w.Sensor, "source": &w.Source,
		"dialog": &w.dialog, "missing": &w.missing,
	}
}

// read takes the envelope out of payload. Its errors name keys of the envelope, never a value.
func (w *wire) read(payload []byte) error {
	if !json.Valid(payload) {
		return errors.New("not JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(payload))
	if open, _ := dec.Token(); open != json.Delim('{') {
		return errors.New("not an object")
	}
	places := w.places()
	for dec.More() {
		if err := readKey(dec, places); err != nil {
			return err
		}
	}
	for key := range places {
		if places[key] != nil && key != "dialog" && key != "missing" {
			return fmt.Errorf("%s is missing", key)
		}
	}
	return nil
}

// readKey reads one key and its value, and marks the place of an envelope key as taken.
func readKey(dec *json.Decoder, places map[string]any) error {
	token, _ := dec.Token()
	key, _ := token.(string)
	place, ours := places[key]
	if !ours {
		var skipped json.RawMessage
		return dec.Decode(&skipped)
	}
	if place == nil {
		return fmt.Errorf("%s stands twice", key)
	}
	places[key] = nil
	if err := dec.Decode(place); err != nil {
		return fmt.Errorf("%s is of another type", key)
	}
	return nil
}
