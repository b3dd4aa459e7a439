package policy

import (
	"slices"
	"strings"
)

// A wordList is a closed list of the operator, sorted by lower case.
type wordList []listed

type listed struct{ lower, written string }

func newWordList(words []string) (l wordList) {
	for _, w := range words {
		l = append(l, listed{strings.ToLower(w), w})
	}
	slices.SortFunc(l, func(a, b listed) int { return strings.Compare(a.lower, b.lower) })
	return l
}

// find returns text as the operator wrote it, "" if it is not on the list. How a message wrote it does not show.
func (l wordList) find(text string) string {
	i, ok := slices.BinarySearchFunc(l, strings.ToLower(text), func(w listed, lower string) int {
		return strings.Compare(w.lower, lower)
	})
	if !ok {
		return ""
	}
	return l[i].written
}

// written returns the list as the operator wrote it.
func (l wordList) written() (words []string) {
	for _, w := range l {
		words = append(words, w.written)
	}
	return words
}
