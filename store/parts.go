package store

import (
	"encoding/json"
	"fmt"

	"sipsieve/store/policy"
)

// Kept returns an excerpt as a store has it: the body as it was published, and where that was.
func Kept(body []byte, published policy.Sequence) (policy.Excerpt, error) {
	x, err := policy.Received(body)
	x.Published = published
	return x, err
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
