package afpacket

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// comings are what becomes of an interface under sources that have no capability any more. Each runs in a process of
// its own, for what is dropped is dropped for good.
var comings = map[string]func(t *testing.T){
	"removed and made anew":               func(t *testing.T) { watch(t, 1).removedAndMadeAnew(3) },
	"removed and made anew, with fanout":  func(t *testing.T) { watch(t, 2).removedAndMadeAnew(1) },
	"down and up":                         func(t *testing.T) { watch(t, 1).downAndUp() },
	"down and up, with fanout":            func(t *testing.T) { watch(t, 2).downAndUp() },
	"not there yet":                       func(t *testing.T) { watchLater(t, 1).appears() },
	"not there yet, with fanout":          func(t *testing.T) { watchLater(t, 2).appears() },
	"not there yet, then removed":         func(t *testing.T) { watchLater(t, 2).appears().removedAndMadeAnew(1) },
	"without carrier":                     func(t *testing.T) { watch(t, 1).withoutCarrier() },
	"renamed and back":                    func(t *testing.T) { watch(t, 1).renamed() },
	"removed twice with fanout":           func(t *testing.T) { watch(t, 2).removedAndMadeAnew(1).endsWhenRemoved() },
	"removed twice at once with fanout":   func(t *testing.T) { watch(t, 2).removedTwiceAtOnce() },
	"made anew at once under many frames": func(t *testing.T) { watch(t, 1).madeAnewAtOnce() },
}

func TestInterfacesComeAndGoWithoutACapability(t *testing.T) {
	if name := os.Getenv(inChild); name != "" {
		comings[name](t)
		return
	}
	t.Parallel()
	namespace(t) // or the test is skipped
	binary := withoutCgo(t)
	for name := range comings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runChild(t, binary, "TestInterfacesComeAndGoWithoutACapability", name, nil)
		})
	}
}

// A watched is the sources of one interface, far, which are read in the background, and what came of them.
type watched struct {
	*testing.T
	all  []*Source
	wire *wire
	sent int

	mu    sync.Mutex
	seen  map[int]int // how often each number came; under mu
	blind []time.Duration
	errs  []error
}

// watch opens the sources of far.
func watch(t *testing.T, fanout int) *watched {
	namespace(t)
	return watchFar(t, fanout)
}

// watchLater does so before there is far.
func watchLater(t *testing.T, fanout int) *watched {
	namespace(t)
	ip(t, "link del far")
	return watchFar(t, fanout)
}

func watchFar(t *testing.T, fanout int) *watched {
	c := config("far")
	c.Fanout, c.Promiscuous = fanout, true
	all, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{T: t, all: all, wire: wireOf(t, "lo"), seen: map[int]int{}}
	if err := DropCapabilities(); err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for _, s := range all {
		readers.Go(func() { w.read(s) })
	}
	t.Cleanup(func() {
		for _, s := range all {
			_ = s.Close()
		}
		readers.Wait()
		for n := range w.sent {
			if w.seen[n] != 1 {
				t.Errorf("frame %d of %d came %d times, want once", n, w.sent, w.seen[n])
			}
		}
	})
	return w
}

// read checks that a source has handed over everything when it has no watermark any more.
func (w *watched) read(s *Source) {
	var down time.Time // before which the source looked when it had no watermark any more
	for {
		looked := time.Now()
		p, err := s.Next()
		w.mu.Lock()
		if err != nil {
			w.errs = append(w.errs, err)
			w.mu.Unlock()
			return
		}
		if !p.Bare() {
			n := 0
			for _, digit := range p.Payload[len("OPTIONS sip:"):][:8] {
				n = n*10 + int(digit-'0')
			}
			w.seen[n]++
		}
		if !p.Bare() && p.Time.Before(down) {
			w.Errorf("a frame came %s after its source was left out of account", down.Sub(p.Time))
		}
		if _, ok := s.Watermark(); !ok {
			down = looked
		}
		if p.Missed == 0 && !p.MissedSince.IsZero() {
			w.blind = append(w.blind, p.Time.Sub(p.MissedSince))
		}
		w.mu.Unlock()
	}
}

// await waits until every source finds the interface in that state.
func (w *watched) await(want State) {
	w.Helper()
	for limit := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		n := 0
		for _, s := range w.all {
			if s.State() == want {
				n++
			}
		}
		if n == len(w.all) {
			return
		}
		if time.Now().After(limit) {
			w.Fatalf("state = %s, want %s", w.all[0].State(), want)
		}
	}
}

// send sends frames of several flows from near to far.
func (w *watched) send() {
	w.Helper()
	link, err := net.InterfaceByName("near")
	if err != nil {
		w.Fatal(err)
	}
	w.wire.to.Ifindex = link.Index
	for range 50 {
		f := datagram(5060, w.sent, 100)
		binary.BigEndian.PutUint16(f[34:], uint16(10000+w.sent%16))
		w.wire.send(f)
		w.sent++
	}
}

// arrived waits until all that was sent has come.
func (w *watched) arrived() {
	w.Helper()
	for limit := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		w.mu.Lock()
		n := len(w.seen)
		w.mu.Unlock()
		if n == w.sent {
			return
		}
		if time.Now().After(limit) {
			w.Fatalf("%d frames of %d came", n, w.sent)
		}
	}
}

func (w *watched) makeAnew() {
	w.Helper()
	ip(w.T, "link add near type veth peer name far")
	ip(w.T, "link set far up")
	ip(w.T, "link set near up")
}

func (w *watched) removedAndMadeAnew(times int) *watched {
	w.Helper()
	for range times {
		w.await(Up)
		w.send()
		ip(w.T, "link del far") // what was sent just before comes
		w.await(Absent)
		w.makeAnew()
		w.await(Up)
		if n := promiscuity(w.T, "far"); n == "0" {
			w.Error("far is not promiscuous once it was made anew")
		}
		w.send()
		w.arrived()
	}
	w.reported(times)
	return w
}

// reported waits until the times without the interface have been reported, once for each ring, and checks them.
func (w *watched) reported(times int) {
	w.Helper()
	eventually(w.T, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.blind) >= times*len(w.all)
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if downs := w.all[0].Stats().Downs; w.blind[0] <= 0 || downs > uint64(2*times) {
		w.Errorf("times without the interface = %v, it went down %d times, want %d", w.blind, downs, times)
	}
}

func (w *watched) downAndUp() {
	w.await(Up)
	w.send()
	ip(w.T, "link set far down")
	w.await(Down)
	ip(w.T, "link set far up")
	w.await(Up)
	w.send()
	w.arrived()
	w.reported(1)
}

func (w *watched) withoutCarrier() {
	w.await(Up)
	ip(w.T, "link set near down")
	w.await(NoCarrier)
	ip(w.T, "link set near up")
	w.await(Up)
	w.send()
	w.arrived()
	w.reported(1)
}

func (w *watched) appears() *watched {
	w.Helper()
	w.await(Absent)
	w.makeAnew()
	w.await(Up)
	w.send()
	w.arrived()
	w.reported(1)
	return w
}

func (w *watched) renamed() {
	w.await(Up)
	ip(w.T, "link set far down")
	ip(w.T, "link set far name other")
	w.await(Absent)
	ip(w.T, "link set other name far")
	ip(w.T, "link set far up")
	w.await(Up)
	w.send()
	w.arrived()
}

// removedTwiceAtOnce removes the new interface before the ring of the old one was given back.
func (w *watched) removedTwiceAtOnce() {
	w.await(Up)
	ip(w.T, "link del far")
	w.makeAnew()
	w.await(Up)
	w.endsWhenRemoved()
}

func (w *watched) endsWhenRemoved() {
	ip(w.T, "link del far")
	for limit := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		w.mu.Lock()
		n := len(w.errs)
		w.mu.Unlock()
		if n == len(w.all) {
			break
		}
		if time.Now().After(limit) {
			w.Fatalf("%d sources of %d have ended", n, len(w.all))
		}
	}
	for _, err := range w.errs {
		if !errors.Is(err, ErrGone) || !strings.HasPrefix(err.Error(), "afpacket: far: ") {
			w.Errorf("err = %v, want ErrGone of far", err)
		}
	}
}

// madeAnewAtOnce leaves no time to see that the interface was gone.
func (w *watched) madeAnewAtOnce() {
	w.await(Up)
	for range 20 {
		w.send()
		ip(w.T, "link del far")
		w.makeAnew()
		link, err := net.InterfaceByName("far")
		if err != nil {
			w.Fatal(err)
		}
		for limit := time.Now().Add(patience); w.all[0].reader.bound() != link.Index; time.Sleep(time.Millisecond) {
			if time.Now().After(limit) {
				w.Fatal("not bound to the new interface")
			}
		}
	}
	w.send()
	w.arrived()
}

// TestAnInterfaceOfAnotherKindEndsTheSource makes a device of IP packets in place of an Ethernet one: the filter that
// is locked does not fit.
func TestAnInterfaceOfAnotherKindEndsTheSource(t *testing.T) {
	namespace(t)
	s := sourceOf(t, config("far"))
	ended := make(chan error, 1)
	go func() {
		_, err := next(s)
		ended <- err
	}()
	ip(t, "link del far")
	tunnelDevice(t, "far")
	ip(t, "link set far up")
	if err := <-ended; !errors.Is(err, ErrGone) {
		t.Errorf("err = %v, want ErrGone", err)
	}
}
