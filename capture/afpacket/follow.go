package afpacket

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"sipsieve/capture/decode"
)

// ErrGone is returned when the interface was removed and no socket is left to bind to the next one of its name.
var ErrGone = errors.New("interface is gone")

// A State is the state of an interface.
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
	mu     sync.Mutex
	index  int // of the interface
	number int // of the group
}

// admit makes s, which is bound to interface index, a member. An interface that was created again has a new group: the
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
	spare  *socket // to replace a member whose interface was removed; nil without one
	next   *socket // the spare once it is bound: what is left in the ring of the member is read first
	filter filter
	state  atomic.Int32
	downs  atomic.Uint64 // times that the interface went down, lost its carrier or was removed
	lost   bool          // the interface of socket was removed: more frames come in next, or none
}

// newFollower opens every socket that may be needed: later there may be no capability to open one. It maps the ring and
// binds nothing.
func newFollower(c *Config, g *group) (f *follower, err error) {
	f = &follower{config: c, group: g, filter: c.filter()}
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

// check updates the state of the interface, and binds to it if it appeared or was created again. An error is final.
func (f *follower) check() error {
	index, state := f.find(f.config.Interface)
	err := f.bindTo(index)
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

// bindTo binds to the interface with that number, 0 for none, unless it is bound already.
func (f *follower) bindTo(index int) error {
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
		return f.start(s, index)
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
	return f.start(f.next, index)
}

// start binds s to the interface and lets frames in. An interface that was removed meanwhile is no error: it may
// return.
func (f *follower) start(s *socket, index int) error {
	if err := f.bindMember(s, index); err != nil || s.bound() == 0 {
		return err
	}
	return f.open(s)
}

// bindMember binds s to the interface and makes it a member of the group.
func (f *follower) bindMember(s *socket, index int) error {
	err := s.bind(index, f.config.Promiscuous)
	if err == nil && f.group != nil {
		err = f.group.admit(s, index)
	}
	if err != nil && s.bound() == 0 && !errors.Is(err, ErrGone) {
		return nil
	}
	return f.wrap(err)
}

// open installs the filter on s, once: until then no frame is let in.
func (f *follower) open(s *socket) error {
	if s.locked {
		return nil
	}
	f.filter.Raw = s.link == decode.Raw
	program, err := f.filter.program()
	if err == nil {
		err = s.admit(program)
	}
	return f.wrap(err)
}

// wrap adds the package and the name of the interface to err.
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
