package afpacket

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sipsieve/capture"
)

// A tally is what a reader has been given.
type tally struct{ packets, missed uint64 }

// count reads s to its end, and returns what came.
func count(s *Source) <-chan tally {
	done := make(chan tally, 1)
	go func() {
		var got tally
		for p, err := next(s); err == nil; p, err = next(s) {
			if got.missed += p.Missed; !p.Bare() {
				got.packets++
			}
		}
		done <- got
	}()
	return done
}

// flood sends n frames, so many a millisecond, or as fast as it can if that is 0.
func (w *wire) flood(n, perMillisecond int) {
	f := datagram(5060, 1, 942)
	start := time.Now()
	for i := range n {
		for perMillisecond > 0 && time.Since(start) < time.Duration(i/perMillisecond)*time.Millisecond {
			time.Sleep(100 * time.Microsecond)
		}
		if err := unix.Sendto(w.fd, f, 0, &w.to); err != nil {
			w.t.Errorf("send frame %d: %v", i, err)
			return
		}
	}
}

// TestSenderAndCountersAgreeToThePacket holds at any rate: whatever the machine does meanwhile, what was sent was
// returned, or dropped and counted, or lay in the ring at the end and was counted.
func TestSenderAndCountersAgreeToThePacket(t *testing.T) {
	cases := []struct {
		name         string
		blocks, size int
		frames, rate int
		late         bool // nobody reads before all has been sent
	}{
		{"2,000 a second", 8, 1 << 20, 500, 2, false},
		{"20,000 a second", 8, 1 << 20, 5_000, 20, false},
		{"100,000 a second", 8, 1 << 20, 25_000, 100, false},
		{"flat out", 32, 1 << 20, 50_000, 0, false},
		{"flat out, small ring", 2, 128 << 10, 50_000, 0, false},
		{"flat out, nobody reads", 2, 128 << 10, 10_000, 0, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			namespace(t)
			cfg := config("near") // on the way out: nothing queues between the sender and the ring
			cfg.Blocks, cfg.BlockSize = c.blocks, c.size
			s := sourceOf(t, cfg)
			w := wireOf(t, "near")
			var done <-chan tally
			if !c.late {
				done = count(s)
			}
			w.flood(c.frames, c.rate)
			if c.late {
				if p, err := next(s); err != nil || p.Bare() {
					t.Fatalf("first packet: bare %v, %v", p.Bare(), err)
				}
				done = count(s)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			got := <-done
			if c.late {
				got.packets++
			}
			drops, left := s.Drops(), s.Stats().Left
			if got.packets+drops.Kernel+left != uint64(c.frames) || got.packets != drops.Seen || got.missed != drops.Kernel {
				t.Errorf("returned = %d, seen = %d, dropped = %d, reported = %d, left = %d, want %d in all", got.packets, drops.Seen,
					drops.Kernel, got.missed, left, c.frames)
			}
			if p := s.Stats().Packets; p != uint64(c.frames) || c.late && drops.Kernel == 0 {
				t.Errorf("packets = %d, dropped = %d, want %d, some of them dropped: %v", p, drops.Kernel, c.frames, c.late)
			}
		})
	}
}

// TestHundredThousandPacketsASecondForTenSeconds measures; it is too much for a machine that has other work.
func TestHundredThousandPacketsASecondForTenSeconds(t *testing.T) {
	if os.Getenv("SIPSIEVE_FULL") != "1" {
		t.Skip("SIPSIEVE_FULL=1 asks for it")
	}
	namespace(t)
	c := DefaultConfig()
	c.Interface = "far"
	all, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	s := all[0]
	done := count(s)
	w := wireOf(t, "near")
	var before, after unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &before)
	start := time.Now()
	const frames = 1_000_000
	w.flood(frames, 100)
	took := time.Since(start)
	time.Sleep(5 * c.Retire)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got := <-done
	_ = unix.Getrusage(unix.RUSAGE_SELF, &after)
	used := func(a, b unix.Timeval) time.Duration { return time.Duration(b.Nano() - a.Nano()) }
	t.Logf("%d sent at %.0f/s: %d returned, %d dropped by the ring, %d by the pair; user %s, system %s, the sender's too",
		frames, frames/took.Seconds(), got.packets, s.Drops().Kernel, pairDrops(t),
		used(before.Utime, after.Utime), used(before.Stime, after.Stime))
	if lost := frames - got.packets; lost != s.Drops().Kernel+s.Stats().Left+pairDrops(t) {
		t.Errorf("lost = %d, counted %d, %d left and %d", lost, s.Drops().Kernel, s.Stats().Left, pairDrops(t))
	}
}

// pairDrops returns how many frames near could not hand to far, for the queue between them was full.
func pairDrops(t *testing.T) (n uint64) {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/net/dev")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if fields[0] == "near:" {
			for _, digit := range fields[12] { // drop, of what was sent
				n = n*10 + uint64(digit-'0')
			}
		}
	}
	return n
}

func TestSeveralInterfacesEachSeeTheirOwn(t *testing.T) {
	namespace(t)
	ip(t, "link add second type veth peer name third")
	ip(t, "link set third up")
	ip(t, "link set second up")
	far, second := sourceOf(t, config("far")), sourceOf(t, config("second"))
	wireOf(t, "near").send(datagram(5060, 1, 100))
	wireOf(t, "second").send(datagram(5060, 2, 200))
	for s, size := range map[*Source]int{far: 100 - 42, second: 200 - 42} {
		p, err := next(s)
		if err != nil || len(p.Payload) != size || p.Point != s.reader.name || p.Origin != capture.Interface {
			t.Errorf("%s: %d bytes of %s by %s, %v, want %d", s.reader.name, len(p.Payload), p.Point, p.Origin, err, size)
		}
		time.AfterFunc(100*time.Millisecond, func() { _ = s.Close() })
		if p, err := next(s); err == nil {
			t.Errorf("%s: one packet more, of %d bytes", s.reader.name, len(p.Payload))
		}
	}
}

func TestMirrorPortIsPromiscuousWhileItIsRead(t *testing.T) {
	namespace(t)
	c := config("far")
	c.Promiscuous = true
	s := sourceOf(t, c)
	if n := promiscuity(t, "far"); n != "1" {
		t.Errorf("promiscuity = %s, want 1", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := promiscuity(t, "far"); n != "0" {
		t.Errorf("promiscuity afterwards = %s, want 0", n)
	}
}

func promiscuity(t *testing.T, name string) string {
	t.Helper()
	out, err := runIP("-details link show " + name)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(out, "promiscuity ")
	n, _, _ := strings.Cut(after, " ")
	return n
}

// TestWhatReadyPromisesComes has nothing come of the frames that Ready speaks of: who holds messages back because more
// are at hand is not left waiting for the wire.
func TestWhatReadyPromisesComes(t *testing.T) {
	namespace(t)
	s := sourceOf(t, config("near"))
	w := wireOf(t, "near")
	fragment := datagram(5060, 0, 400)
	fragment[20] = 0x20                             // the first of more, which never come
	for ready := false; !ready; ready = s.Ready() { // else the fragment came in a block of its own
		w.send(datagram(5060, 1, 100))
		w.send(fragment)
		if _, err := next(s); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := s.Next(); err != nil || !p.Bare() || p.Point != "near" || p.Time.IsZero() {
		t.Errorf("bare %v of %q at %s, %v, want a bare packet", p.Bare(), p.Point, p.Time, err)
	}
}
