package collector

import (
	"iter"
	"time"

	"sipsieve/store/cpni"
)

// A loss is excerpts of a purpose that were made and were not put.
type loss struct {
	purpose int
	count   uint64
	seen    time.Time
	reason  string // a word of a closed set
}

// losses are what is still to be announced, by purpose.
type losses struct{ pending []*cpni.Loss }

// note adds one to what is to be announced to its purpose. Of several reasons the first is announced.
func (l *losses) note(one loss) {
	if have := l.pending[one.purpose]; have != nil {
		have.Count += one.count
		have.To = one.seen
		return
	}
	l.pending[one.purpose] = &cpni.Loss{From: one.seen, To: one.seen, Count: one.count, Reason: one.reason}
}

// due removes and returns the losses by purpose whose last excerpt was lost that long ago.
func (l *losses) due(after time.Duration) iter.Seq2[int, cpni.Loss] {
	return func(yield func(int, cpni.Loss) bool) {
		for purpose, one := range l.pending {
			if one == nil || time.Since(one.To) < after {
				continue
			}
			l.pending[purpose] = nil
			if !yield(purpose, *one) {
				return
			}
		}
	}
}
