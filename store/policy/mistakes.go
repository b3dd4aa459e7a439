package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"sipsieve/store/policy/locate"
)

// mistakes are what is wrong with a file, each with its line.
type mistakes struct {
	file  string // as errors call it
	lines locate.Locator
	found []mistake
}

type mistake struct {
	line int
	text string
}

// add notes what is wrong at key.
func (m *mistakes) add(key, format string, args ...any) {
	m.found = append(m.found, mistake{m.lines.Line(key), key + ": " + fmt.Sprintf(format, args...)})
}

// err returns all mistakes in the order of their lines, nil without one.
func (m *mistakes) err() error {
	slices.SortFunc(m.found, func(a, b mistake) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.text, b.text))
	})
	var errs []error
	for _, one := range m.found {
		errs = append(errs, fmt.Errorf("%s:%d: %s", m.file, one.line, one.text))
	}
	return errors.Join(errs...)
}
