package console

import (
	"errors"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"sipsieve/store"
	"sipsieve/store/cpni"
)

// pseudonym is the shape of every pseudonym: its epoch and 128 bits in base32.
var pseudonym = regexp.MustCompile(`^e-?[0-9]+:[a-z2-7]{26}$`)

// ParseQuery reads a query's parameters, which are the verb's flags.
func ParseQuery(value func(string) string) (q store.Query, err error) {
	q.Purpose, q.Kind, q.After = value("purpose"), value("kind"), value("after")
	q.Account, q.Trunk, q.Disposition = value("account"), value("trunk"), value("disposition")
	if one := value("pseudonym"); one != "" {
		if !pseudonym.MatchString(one) {
			return q, errors.New("pseudonym: want a call_id as records have it, such as e692:aevm3gkfyhdcroenlpi4ldjy5y")
		}
		q.Pseudonyms = []string{one}
	}
	if field, _ := cpni.FieldOf("disposition"); q.Disposition != "" && !slices.Contains(field.Entry().Words, q.Disposition) {
		return q, errors.New("disposition: want one of " + strings.Join(field.Entry().Words, ", "))
	}
	q.Stored = value("order") == "stored"
	if q.Purpose == "" {
		return q, errors.New("purpose: no purpose, no answer")
	}
	if kinds := kindsOf(q.Purpose); q.Kind != "" && !slices.Contains(kinds, q.Kind) {
		return q, errors.New("kind: want one of " + strings.Join(kinds, ", "))
	}
	if err := CheckRequest(value("request")); err != nil {
		return q, err
	}
	for _, bound := range []struct {
		key string
		to  *time.Time
	}{{"from", &q.From}, {"to", &q.To}} {
		if text := value(bound.key); text != "" {
			if *bound.to, err = readTime(text); err != nil {
				return q, errors.New(bound.key + ": want a time such as 2026-11-24 or 2026-11-24T10:00:00Z")
			}
		}
	}
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		return q, errors.New("to: want a time after from: to is not included")
	}
	if _, err := store.ParseCursor(q.After); q.Stored && err != nil {
		return q, errors.New("stored-since: want start, or the cursor that an earlier answer printed behind next")
	}
	if _, err := store.ParseMark(q.After); !q.Stored && q.After != "" && err != nil {
		return q, errors.New("after: want the mark that an answer with --limit printed behind next")
	}
	if text := value("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 0 {
			return q, errors.New("limit: want a number of records")
		}
	}
	return q, nil
}

// kindsOf returns the kinds of records that a query of a purpose may name.
func kindsOf(purpose string) (names []string) {
	if purpose != store.Ops {
		return cpni.FieldKinds()
	}
	for _, kind := range store.OpsKinds() {
		names = append(names, string(kind))
	}
	return names
}

// Paged returns items, the answer to q. Behind an answer that q.Limit ended it has an Item without a Body, whose Next goes
// on behind the last record.
func Paged(q store.Query, items iter.Seq2[store.Item, error]) iter.Seq2[store.Item, error] {
	return func(yield func(store.Item, error) bool) {
		count, next := 0, ""
		for item, err := range items {
			if !yield(item, err) {
				return
			}
			if count, next = count+1, item.Next; err != nil || item.Body == nil {
				next = "" // it has ended, and said where
			}
		}
		if q.Limit > 0 && count >= q.Limit && next != "" {
			yield(store.Item{Next: next}, nil)
		}
	}
}

func readTime(text string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, text)
}
