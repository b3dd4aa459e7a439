package trial

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// envelope are the keys of an excerpt that an expected one may leave out.
var envelope = []string{"schema", "kind", "stage", "id", "dialog", "revision", "status", "missing", "completeness", "purpose",
	"policy", "class", "expires", "site", "sensor", "source", "blind_side", "blind_clock"}

// An excerpt is the decoded JSON of one, by key.
type excerpt struct {
	line   int // of the archive; 0 of a published one
	values map[string]any
	paired *excerpt // what it is compared with
}

// pair pairs expected excerpts with published ones: first by id, stage and revision, then in their order.
func pair(want, have []*excerpt) {
	for _, w := range want {
		if id, ok := w.values["id"].(string); !ok || id == "*" {
			continue
		}
		for _, h := range have {
			if h.paired == nil && w.same(h, "id") && w.same(h, "stage") && w.same(h, "revision") {
				w.paired, h.paired = h, w
				break
			}
		}
	}
	next := 0
	for _, w := range want {
		for w.paired == nil && next < len(have) {
			if h := have[next]; h.paired == nil {
				w.paired, h.paired = h, w
			}
			next++
		}
	}
}

// same reports whether w expects of a key what h has: w may leave it out.
func (w *excerpt) same(h *excerpt, key string) bool {
	want, ok := w.values[key]
	return !ok || want == "*" || reflect.DeepEqual(want, h.values[key])
}

// differences returns how the published excerpt differs from the expected w, sorted by key.
func (w *excerpt) differences() (list []string) {
	h := w.paired
	keys := maps.Clone(w.values)
	maps.Copy(keys, h.values)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		want, wanted := w.values[key]
		have, there := h.values[key]
		switch {
		case !wanted && slices.Contains(envelope, key):
		case !wanted:
			list = append(list, fmt.Sprintf("%s: not expected, have %s", key, encode(have)))
		case !there:
			list = append(list, fmt.Sprintf("%s: want %s, it is not published", key, encode(want)))
		case !w.same(h, key):
			list = append(list, fmt.Sprintf("%s: want %s, have %s", key, encode(want), encode(have)))
		}
	}
	return list
}

// name returns what an excerpt is found by.
func (w *excerpt) name() string {
	var parts []string
	for _, key := range []string{"kind", "stage", "id"} {
		if v, ok := w.values[key]; ok {
			parts = append(parts, key+" "+encode(v))
		}
	}
	if len(parts) == 0 {
		return "an excerpt without kind, stage and id"
	}
	return strings.Join(parts, ", ")
}

// decode reads one JSON object; numbers stay as they are written.
func decode(text []byte) (values map[string]any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&values); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) || values == nil {
		return nil, errors.New("it is something else")
	}
	return values, nil
}

// encode returns v as JSON.
func encode(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "?"
	}
	return strings.TrimSpace(b.String())
}

// anyPolicy returns body with "*" for the hash of the policy.
func anyPolicy(body []byte) []byte {
	before, rest, ok := bytes.Cut(body, []byte(`"policy":"`))
	_, after, closed := bytes.Cut(rest, []byte(`"`))
	if !ok || !closed {
		return body
	}
	return slices.Concat(before, []byte(`"policy":"*"`), after)
}
