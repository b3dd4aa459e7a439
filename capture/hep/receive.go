package hep

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"sipsieve/capture"
)

// sampleEvery is how often the kernel is asked what it dropped.
const sampleEvery = time.Second

// receive reads a UDP socket to its end.
func (s *Source) receive(conn *net.UDPConn) {
	defer s.work.Done()
	d := decoder{key: s.key}
	o := overflow{since: time.Now().Add(-sampleEvery)}
	buf := make([]byte, maxPacket+1)
	for at := time.Now(); ; at = time.Now() {
		if at.Sub(o.since) >= sampleEvery {
			s.sample(conn, &o, at)
			_ = conn.SetReadDeadline(at.Add(sampleEvery)) // of a closed socket the next line tells
		}
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
		case errors.Is(err, net.ErrClosed):
			s.sample(conn, &o, at)
			return
		case err != nil:
			s.fail(err)
			return
		case !s.allowed(from.Addr()):
			s.reject(capture.HEPSource)
		default:
			s.take(&d, buf[:n], now())
		}
	}
}

// reject counts a packet that is not looked at.
func (s *Source) reject(why capture.Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse(why)
}

// An overflow is how much of a socket's loss is counted.
type overflow struct {
	since   time.Time // when the kernel was asked last
	dropped uint32
}

// sample counts what the kernel had no room for since it was asked last.
func (s *Source) sample(conn *net.UDPConn, o *overflow, at time.Time) {
	if dropped, ok := droppedBy(conn); ok {
		if n := uint64(dropped - o.dropped); n > 0 {
			s.mu.Lock()
			s.counts.Kernel.Add(n)
			s.lost.add(n, wall(o.since))
			s.mu.Unlock()
		}
		o.dropped = dropped
	}
	o.since = at
}

// SO_MEMINFO of socket(7) gives nine numbers of a socket's memory. The last is how many datagrams were dropped.
const (
	soMeminfo = 55
	memNumber = 9
)

// droppedBy asks the kernel how many datagrams it dropped at conn, which it counts in 32 bits.
func droppedBy(conn *net.UDPConn) (n uint32, ok bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false
	}
	var mem [memNumber]uint32
	size := uint32(unsafe.Sizeof(mem))
	err = raw.Control(func(fd uintptr) {
		_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.SOL_SOCKET, soMeminfo,
			uintptr(unsafe.Pointer(&mem)), uintptr(unsafe.Pointer(&size)), 0)
		ok = errno == 0 && size == uint32(unsafe.Sizeof(mem))
	})
	return mem[memNumber-1], ok && err == nil
}
