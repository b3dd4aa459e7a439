package afpacket

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"sipsieve/capture/decode"
)

// ErrGone says that the interface was removed and that nothing is left that could be bound to the next of its name.
var ErrGone = errors.New("interface is gone")

// A State is how an interface is.
type State int32

// States of an interface. Only one that is Up shows frames.
const (
	Up        State = iota
	Down            // set down by the administrator
	NoCarrier       // up, and nothing at the other end: no cable, or the peer is down
	Absent          // not there yet, or removed
)

var stateWords = [...]string{"up", "down", "without carrier", "not there"}

// String returns the word of s.
func (s State) String() string { return stateWords[s] }

// A group is the fanout group of the rings of one interface. Its zero value has no members.
type group struct {
	mu            sync.Mutex
	index, number int // of the interface and of the group of its members
}

// admit makes s, which is bound to interface index, a member. An interface that was made anew has a new group: the
// members of the old one are bound to nothing.
func (g *group) admit(s *socket, index int) (err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.index == index && s.join(g.number) == nil {
		return nil
	}
	g.number, err = s.found()
	g.index = index
	return err
}

// A follower binds sockets to the interface of a name as it comes and goes.
type follower struct {
	*socket
	config *Config
	group  *group  // nil for a ring that has the interface for itself
	spare  *socket // takes the place of a member whose interface was removed; nil without one
	next   *socket // it, once it is bound: what is left in the ring of the member is read first
	lets   Filter
	state  atomic.Int32
	downs  atomic.Uint64 // times that the interface went down, lost its carrier or was removed
	lost   bool          // the interface of socket was removed, and what follows is in next or nowhere
}

// newFollower opens what will ever be needed: later there may be no capability to open a socket. The ring is mapped,
// and no interface looked for.
func newFollower(c *Config, g *group) (f *follower, err error) {
	f = &follower{config: c, group: g, lets: c.Filter()}
	if f.socket, err = openSocket(); err != nil {
		return f, err
	}
	if g != nil {
		if f.spare, err = openSocket(); err != nil {
			return f, err
		}
	}
	_, state := f.find(c.Interface)
	f.state.Store(int32(state)) // it is bound at once
	return f, f.mapRing(c)
}

// follow looks at the interface. It binds to one that is there and was not, or is another than before. An error is
// for good.
func (f *follower) follow() error {
	index, state := f.find(f.config.Interface)
	err := f.meet(index)
	s := f.socket
	if f.next != nil {
		s = f.next
	}
	if s.bound() == 0 {
		state = Absent
	}
	if was := State(f.state.Swap(int32(state))); was == Up && state != Up {
		f.downs.Add(1)
	}
	return err
}

// meet binds to the interface with that number, 0 for none, unless that is done.
func (f *follower) meet(index int) error {
	s := f.socket
	if f.next != nil {
		s = f.next
	}
	bound := s.bound()
	switch {
	case bound != 0 && (index == bound || index == 0): // a renamed interface is read on
		return nil
	case !s.member && index == 0:
		return nil
	case !s.member:
		return f.begin(s, index)
	}
	f.lost = true
	switch {
	case f.spare == nil:
		return f.wrap(ErrGone)
	case index == 0:
		return nil
	}
	f.next, f.spare = f.spare, nil
	if err := f.next.mapRing(f.config); err != nil {
		return f.wrap(err)
	}
	return f.begin(f.next, index)
}

// begin ties s to the interface and lets frames in. If the interface was removed meanwhile it is waited for.
func (f *follower) begin(s *socket, index int) error {
	if err := f.tie(s, index); err != nil || s.bound() == 0 {
		return err
	}
	return f.open(s)
}

// tie binds s to the interface and makes it a member of the group.
func (f *follower) tie(s *socket, index int) error {
	err := s.bind(index, f.config.Promiscuous)
	if err == nil && f.group != nil {
		err = f.group.admit(s, index)
	}
	if err != nil && s.bound() == 0 && !errors.Is(err, ErrGone) {
		return nil
	}
	return f.wrap(err)
}

// open lets in what the filter takes, once.
func (f *follower) open(s *socket) error {
	if s.locked {
		return nil
	}
	f.lets.Raw = s.link == decode.Raw
	program, err := f.lets.Program()
	if err == nil {
		err = s.admit(program)
	}
	return f.wrap(err)
}

func (f *follower) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("afpacket: %s: %w", f.config.Interface, err)
}

func (f *follower) close() error {
	var errs []error
	for _, s := range []*socket{f.socket, f.spare, f.next} {
		if s != nil {
			errs = append(errs, s.close())
		}
	}
	return errors.Join(errs...)
}
