package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sipsieve/store/cpni"
)

// tokenwise is an envelope read by encoding/json alone, token by token, which Received was made to be faster than.
type tokenwise struct {
	Envelope
	expires string
	dialog  *string
	missing []string
}

func (w *tokenwise) places() map[string]any {
	return map[string]any{
		"schema": &w.Schema, "kind": &w.Kind, "stage": &w.Stage, "id": &w.ID, "revision": &w.Revision,
		"status": &w.Status, "completeness": &w.Completeness, "purpose": &w.Purpose, "policy": &w.Policy,
		"class": &w.Class, "expires": &w.expires, "site": &w.Site, "sensor": &w.Sensor, "source": &w.Source,
		"dialog": &w.dialog, "missing": &w.missing,
	}
}

func (w *tokenwise) read(payload []byte) error {
	if !json.Valid(payload) {
		return errors.New("not JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(payload))
	if open, _ := dec.Token(); open != json.Delim('{') {
		return errors.New("not an object")
	}
	places := w.places()
	for dec.More() {
		token, _ := dec.Token()
		key, _ := token.(string)
		place, ours := places[key]
		if !ours {
			var skipped json.RawMessage
			if err := dec.Decode(&skipped); err != nil {
				return err
			}
			continue
		}
		if place == nil {
			return fmt.Errorf("%s stands twice", key)
		}
		places[key] = nil
		if err := dec.Decode(place); err != nil {
			return fmt.Errorf("%s is of another type", key)
		}
	}
	for key := range places {
		if places[key] != nil && key != "dialog" && key != "missing" {
			return errors.New("a key is missing")
		}
	}
	return nil
}

// received is Received by tokenwise.
func received(payload []byte) (Envelope, bool) {
	var w tokenwise
	if w.read(payload) != nil {
		return Envelope{}, false
	}
	day, err := time.Parse(time.DateOnly, w.expires)
	if err != nil {
		return Envelope{}, false
	}
	w.Expires = Date{day.Year(), day.Month(), day.Day()}
	if w.dialog != nil {
		w.Dialog = *w.dialog
	}
	for _, word := range w.missing {
		w.Missing |= cpni.MissingWord(word)
	}
	whole := w.ID != "" && w.Purpose != "" && w.Kind != "" && w.Sensor != "" && w.Site != "" && w.Revision >= 1
	return w.Envelope, whole && strings.HasPrefix(w.Schema, "sipsieve."+w.Kind+"/")
}

// FuzzReceived compares Received with what encoding/json reads.
func FuzzReceived(f *testing.F) {
	f.Add([]byte(payload))
	for _, change := range []string{`"id":"a\u0062\"c","dialog":null,`, `"i\u0064":"x",`, `"dialog":"d\xff",`, ` "x" : { "a":["]",{}] } , `,
		`"missing":[null,"ack"],`, `"x":-1.5e3,"revision":null,`, `"dialog":{},`, `"completeness":1e1,`, `"x":tru,`, `"purpose":"",`} {
		f.Add([]byte(strings.Replace(payload, `"revision"`, change+`"revision"`, 1)))
		f.Add([]byte(strings.Replace(payload, `"id":"abc",`, change, 1)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		x, err := Received(text)
		want, ok := received(text)
		if ok != (err == nil) || ok && x.Envelope != want {
			t.Errorf("Received(%q) = %+v, %v\nwant %+v, %v", text, x.Envelope, err, want, ok)
		}
		if err != nil && !errors.Is(err, ErrForeign) {
			t.Errorf("error = %v, want ErrForeign", err)
		}
	})
}

// fraudPayload is about as long as what the shipped policy keeps of a call.
var fraudPayload = strings.Replace(payload, `"duration_ms"`, strings.Repeat(`"some_field":"a value of some length",`, 20)+`"duration_ms"`, 1)

// BenchmarkReceived is one payload of 1 KB; beside it the reading by encoding/json alone.
func BenchmarkReceived(b *testing.B) {
	text := []byte(fraudPayload)
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			if _, err := Received(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("tokenwise", func(b *testing.B) {
		for b.Loop() {
			if _, ok := received(text); !ok {
				b.Fatal("refused")
			}
		}
	})
}
