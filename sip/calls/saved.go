package calls

import (
	"fmt"
	"log/slog"
	"time"

	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
)

// A Saved is the checkpoint of one open call, or of one answered fork of it, by which another Tracker follows the call
// after a restart: numbers and keyed hashes, no text and no address. A Saved without a Name holds the clock and the
// losses of a Tracker, which are the same for every Tracker of a domain.
type Saved struct {
	Name  event.Key    // identifies the call among the saved ones
	Gone  bool         // the call has ended: its checkpoint is deleted
	State []byte       // versioned; nil when gone
	Event *event.Event // the call now, at Interim; nil if its Facts are those of its last checkpoint
}

// Format writes a mask for every verb and flag: an Event holds text about people.
func (s Saved) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("***")) }

// LogValue is what slog writes for s.
func (s Saved) LogValue() slog.Value { return slog.StringValue("***") }

// Shard returns the Key by which the call's Messages are sharded, the zero Key of a Saved without a Name.
func (s Saved) Shard() (k event.Key) {
	if s.Name != (event.Key{}) && len(s.State) > len(k) {
		copy(k[:], s.State[1:])
	}
	return k
}

// Head reports whether s is the first of its INVITE's forks.
func (s Saved) Head() bool { return len(s.State) > dialog.HeadAt && s.State[dialog.HeadAt] == 1 }

// First returns the time of the first message of the call, the zero Time if State cannot be read.
func (s Saved) First() time.Time {
	r, err := dialog.ReadState(s.State)
	if s.Name == (event.Key{}) || err != nil {
		return time.Time{}
	}
	return event.When(r.FirstSeen)
}
