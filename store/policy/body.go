package policy

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"sipsieve/store/cpni"
)

// A body is the keys and values of an Excerpt, in their order. What is set under a key that is not there is left out.
type body struct {
	keys   []string
	values []json.RawMessage
}

// readBody reads the JSON of an Excerpt.
func readBody(text []byte) *body {
	b := new(body)
	dec := json.NewDecoder(bytes.NewReader(text))
	_, _ = dec.Token()
	for dec.More() {
		token, err := dec.Token()
		key, _ := token.(string)
		var value json.RawMessage
		if err != nil || dec.Decode(&value) != nil {
			break
		}
		b.keys, b.values = append(b.keys, key), append(b.values, value)
	}
	return b
}

// get returns the value of key, nil without one.
func (b *body) get(key string) json.RawMessage {
	if i := slices.Index(b.keys, key); i >= 0 {
		return b.values[i]
	}
	return nil
}

func (b *body) text(key string) (s string) {
	_ = json.Unmarshal(b.get(key), &s)
	return s
}

func (b *body) set(key string, value []byte) {
	if i := slices.Index(b.keys, key); i >= 0 {
		b.values[i] = value
	}
}

// remove leaves keys out.
func (b *body) remove(keys ...string) {
	for _, key := range keys {
		if i := slices.Index(b.keys, key); i >= 0 {
			b.keys, b.values = slices.Delete(b.keys, i, i+1), slices.Delete(b.values, i, i+1)
		}
	}
}

// take sets all keys of a field to the values of o, null where o has none.
func (b *body) take(field string, o *body) {
	for _, name := range append([]string{""}, actionNames[:]...) {
		key := field
		if name != "" {
			key += "_" + name
		}
		if value := o.get(key); value != nil {
			b.set(key, value)
		} else {
			b.set(key, []byte("null"))
		}
	}
}

// flag sets a word of call_flags if o has it, in the register's order.
func (b *body) flag(word string, o *body) {
	var mine, theirs []string
	if json.Unmarshal(b.get("call_flags"), &mine) != nil || json.Unmarshal(o.get("call_flags"), &theirs) != nil {
		return
	}
	if slices.Contains(mine, word) || !slices.Contains(theirs, word) {
		return
	}
	list := []byte{'['}
	mine = append(mine, word)
	slices.SortFunc(mine, func(a, b string) int { return cpni.FlagOrder(a) - cpni.FlagOrder(b) })
	for i, w := range mine {
		if i > 0 {
			list = append(list, ',')
		}
		list = appendText(list, w)
	}
	b.set("call_flags", append(list, ']'))
}

func (b *body) bytes() []byte {
	text := []byte{'{'}
	for i, key := range b.keys {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(append(appendText(text, key), ':'), b.values[i]...)
	}
	return append(text, '}')
}

// A moment is a time as it was published; exact if nothing was cut off.
type moment struct {
	time  time.Time
	exact bool
}

func readMoment(raw json.RawMessage) (m moment, ok bool) {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return m, false
	}
	t, err := time.Parse(time.RFC3339, text)
	return moment{t, bytes.IndexByte(raw, '.') >= 0}, err == nil
}
