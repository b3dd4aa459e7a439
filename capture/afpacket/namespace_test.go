package afpacket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sipsieve/capture"
)

const patience = 60 * time.Second // for what ought to take a few milliseconds

// namespace gives the test a network of its own: its goroutine keeps a thread, the thread a namespace,
// and all three end together. In it are loopback and a pair of interfaces, near and far, both up.
func namespace(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("these tests need root")
		}
		t.Skip("needs root, to make a network namespace")
	}
	runtime.LockOSThread() // and never unlocked: the thread is not fit for others
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	quiet := os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0)
	if quiet != nil && !errors.Is(quiet, os.ErrNotExist) {
		t.Fatal(quiet) // the kernel's own multicast would pass the filter
	}
	ip(t, "link set lo up")
	ip(t, "link add near mtu 9000 type veth peer name far mtu 9000")
	ip(t, "link set far up")
	ip(t, "link set near up")
	for _, name := range []string{"near", "far"} {
		running(t, name)
	}
}

// running waits until the kernel has seen the carrier of an interface: before, nothing is sent, and a ring finds it down.
func running(t testing.TB, name string) {
	t.Helper()
	for limit := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if i, err := net.InterfaceByName(name); err == nil && i.Flags&net.FlagRunning != 0 {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%s has no carrier", name)
		}
	}
}

// eventually waits until done returns true, and fails the test if it does not.
func eventually(t testing.TB, done func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("not within %s", patience)
		}
	}
}

func ip(t testing.TB, args string) {
	t.Helper()
	if _, err := runIP(args); err != nil {
		t.Fatal(err)
	}
}

func runIP(args string) (string, error) {
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ip %s: %w: %s", args, err, out)
	}
	return string(out), nil
}

// A wire sends frames out of an interface.
type wire struct {
	t  testing.TB
	fd int
	to unix.SockaddrLinklayer
}

func wireOf(t testing.TB, name string) *wire {
	t.Helper()
	link, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return &wire{t, fd, unix.SockaddrLinklayer{Protocol: everyFrame, Ifindex: link.Index}}
}

func (w *wire) send(frames ...[]byte) {
	w.t.Helper()
	for i, f := range frames {
		if err := unix.Sendto(w.fd, f, 0, &w.to); err != nil {
			w.t.Fatalf("send frame %d of %d bytes: %v", i, len(f), err)
		}
	}
}

func config(name string) Config {
	c := DefaultConfig()
	c.Interface, c.Blocks, c.Retire = name, 8, 10*time.Millisecond
	return c
}

// opened opens readers, and closes them should the test take too long, so that read always returns.
func opened(t testing.TB, c Config) ([]*reader, *atomic.Uint64) {
	t.Helper()
	drops := new(atomic.Uint64)
	rs, err := openReaders(c, func(int) *atomic.Uint64 { return drops })
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rs {
		late := time.AfterFunc(patience, func() { _ = r.close() })
		t.Cleanup(func() {
			late.Stop()
			_ = r.close()
			for f := (frame{}); r.life.Load() != closed && r.nextFrame(&f) == nil; {
			}
		})
	}
	return rs, drops
}

// nextFrame reads the next frame that has bytes, or a notice, or an error.
func (r *reader) nextFrame(f *frame) error {
	for {
		if err := r.read(f); err != nil || f.length > 0 || f.notice != (notice{}) {
			return err
		}
	}
}

// next returns the next packet that is not bare, or that carries a loss or a step.
func next(s *Source) (p capture.Packet, err error) {
	for p, err = s.Next(); err == nil && p.Bare() && p.Missed == 0 && p.Step == 0; {
		p, err = s.Next()
	}
	return p, err
}

// take reads n frames.
func take(t testing.TB, r *reader, n int) (frames []frame) {
	t.Helper()
	for len(frames) < n {
		var f frame
		if err := r.nextFrame(&f); err != nil {
			t.Fatalf("after %d frames of %d: %v", len(frames), n, err)
		}
		f.bytes = slices.Clone(f.bytes)
		frames = append(frames, f)
	}
	return frames
}

// silent closes r and fails the test if there was a frame left.
func silent(t testing.TB, r *reader) {
	t.Helper()
	time.AfterFunc(5*r.retire, func() { _ = r.close() })
	var f frame
	if err := r.nextFrame(&f); err != io.EOF {
		t.Errorf("one frame more, of %d bytes (%v)", len(f.bytes), err)
	}
}

// listen reads in the background, and returns the lengths of the frames that came and the error that ended it.
func listen(t *testing.T, r *reader) (lengths <-chan int, ended <-chan error) {
	frames, end, done := make(chan int, 1024), make(chan error, 1), make(chan struct{})
	t.Cleanup(func() {
		_ = r.close()
		<-done
	})
	go func() {
		defer close(done)
		var f frame
		for {
			if err := r.nextFrame(&f); err != nil {
				end <- err
				return
			}
			frames <- len(f.bytes)
		}
	}()
	return frames, end
}

// fileFrames returns the frames of a little-endian Ethernet capture file.
func fileFrames(t testing.TB, name string) (frames [][]byte) {
	t.Helper()
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("no capture files beside the checkout")
	}
	if err != nil || binary.LittleEndian.Uint32(b) != 0xa1b2c3d4 || b[20] != 1 {
		t.Fatalf("%s: not a little-endian capture of Ethernet (%v)", name, err)
	}
	for b = b[24:]; len(b) >= 16; {
		n := binary.LittleEndian.Uint32(b[8:])
		frames = append(frames, b[16:16+n])
		b = b[16+n:]
	}
	return frames
}
