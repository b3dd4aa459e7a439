package policy

import (
	"time"

	"sipsieve/store/cpni"
)

// longestWindow is how long an excerpt waits at most until it is published.
const longestWindow = time.Hour

// Window returns how long the excerpts of u are gathered, to be published together and sorted by id. It is the unit of
// the finest time that u keeps, an hour at most, so that neither the order nor the moment of publication shows more than
// the fields do. 0 is for a finest time of a second or less: each excerpt is published at once.
func (u *Purpose) Window() time.Duration { return u.window }

// windowOf works out the Window of u.
func windowOf(u *Purpose) time.Duration {
	window := longestWindow
	for i := range u.rules {
		r := &u.rules[i]
		if r.typ != "time" || !u.keepsOf(r.field) {
			continue
		}
		for _, t := range r.transforms {
			switch t.action {
			case Keep:
				return 0
			case Truncate:
				window = min(window, time.Duration(t.width)*time.Millisecond)
			}
		}
	}
	if window <= time.Second {
		return 0
	}
	return window
}

// keepsOf reports whether a kind of which u keeps records has the field.
func (u *Purpose) keepsOf(f cpni.Field) bool {
	for _, kind := range cpni.Kinds() {
		if u.programs[kind].taken && f.In(kind) {
			return true
		}
	}
	return false
}

// asWide returns a loss as u publishes it: its span is as wide as the windows that it touches.
func (u *Purpose) asWide(l *cpni.Loss) *cpni.Loss {
	if u.window == 0 {
		return l
	}
	wide := *l
	wide.From = l.From.Truncate(u.window)
	if wide.To = l.To.Truncate(u.window); wide.To.Before(l.To) {
		wide.To = wide.To.Add(u.window)
	}
	return &wide
}
