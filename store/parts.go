package store

import (
	"encoding/json"
	"fmt"
	"strconv"

	"sipsieve/store/policy"
)

// Kept returns an excerpt as a store has it: the body as it was published, and where that was.
func Kept(body []byte, published policy.Sequence) (policy.Excerpt, error) {
	x, err := policy.Received(body)
	x.Published = published
	return x, err
}

// PartsText returns the parts of w for ReadParts, nil if there are none. The bodies stand in it byte for byte.
func (w Row) PartsText() []byte {
	if w.Parts == nil {
		return nil
	}
	b := []byte{'['}
	for i, x := range w.Parts {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"stream":`...), x.Published.Stream, 10)
		b = strconv.AppendUint(append(b, `,"number":`...), x.Published.Number, 10)
		b = append(append(append(b, `,"body":`...), x.Body()...), '}')
	}
	return append(b, ']')
}

// ReadParts reads what PartsText wrote. Its errors quote nothing of it.
func ReadParts(text []byte) (xs []policy.Excerpt, err error) {
	var parts []struct {
		Stream int64
		Number uint64
		Body   json.RawMessage
	}
	if json.Unmarshal(text, &parts) != nil {
		return nil, fmt.Errorf("store: parts: %w", policy.ErrForeign)
	}
	for _, p := range parts {
		x, err := Kept(p.Body, policy.Sequence{Stream: p.Stream, Number: p.Number})
		if err != nil {
			return nil, err
		}
		xs = append(xs, x)
	}
	return xs, nil
}
