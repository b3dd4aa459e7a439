package calls

import (
	"fmt"
	"log/slog"
	"time"

	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
)

// A Saved is what a Tracker hands out of one open call, or of one answered fork of it, so that another Tracker can
// follow the call after a restart: numbers and keyed hashes, no text and no address. One without a Name is of the
// Tracker's clock and of the losses that it was told of, and is the same for every Tracker of a domain.
type Saved struct {
	Name  event.Key    // what the call is found by among the saved ones
	Gone  bool         // it is over: nothing of it is to be kept
	State []byte       // versioned; nil when gone
	Event *event.Event // the call as it stands, at Interim; nil if its Facts are those of when it was saved last
}

// Format writes a mask for every verb and flag: an Event holds text about people.
func (s Saved) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("***")) }

// LogValue is what slog writes for s.
func (s Saved) LogValue() slog.Value { return slog.StringValue("***") }

// Shard returns what the call's Messages are sharded by, of a State that Changed gave; zero of what is for all.
func (s Saved) Shard() (k event.Key) {
	if s.Name != (event.Key{}) && len(s.State) > len(k) {
		copy(k[:], s.State[1:])
	}
	return k
}

// Head reports whether s, whose State Changed gave, is the first of its INVITE's forks.
func (s Saved) Head() bool { return len(s.State) > dialog.HeadAt && s.State[dialog.HeadAt] == 1 }

// First returns when the call of a State that Changed gave was seen first; the zero Time if it cannot be read.
func (s Saved) First() time.Time {
	r, err := dialog.ReadState(s.State)
	if s.Name == (event.Key{}) || err != nil {
		return time.Time{}
	}
	return event.When(r.FirstSeen)
}
