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

// sampleEvery is how often the kernel's count of dropped datagrams is read.
const sampleEvery = time.Second

// A udpSocket reads the datagrams of one address. It is used by one goroutine.
type udpSocket struct {
	source  *Source
	conn    *net.UDPConn
	decoder decoder
	sampled time.Time // when the kernel's count was read last
	dropped uint32    // what it was then
}

func newUDPSocket(s *Source, conn *net.UDPConn) *udpSocket {
	return &udpSocket{source: s, conn: conn, decoder: decoder{key: s.key}, sampled: time.Now().Add(-sampleEvery)}
}

// receive reads u to its end.
func (u *udpSocket) receive() {
	s := u.source
	defer s.work.Done()
	buf := make([]byte, maxPacket+1)
	for t := time.Now(); ; t = time.Now() {
		if t.Sub(u.sampled) >= sampleEvery {
			u.sample(t)
			_ = u.conn.SetReadDeadline(t.Add(sampleEvery)) // the read below reports that a socket is closed
		}
		n, from, err := u.conn.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
		case errors.Is(err, net.ErrClosed):
			u.sample(t)
			return
		case err != nil:
			s.fail(err)
			return
		case !s.allowed(from.Addr()):
			s.reject(capture.HEPSource)
		default:
			s.take(&u.decoder, buf[:n], now())
		}
	}
}

// sample counts the datagrams that the kernel had no room for since the last sample.
func (u *udpSocket) sample(t time.Time) {
	if dropped, ok := u.kernelDrops(); ok {
		if n := uint64(dropped - u.dropped); n > 0 {
			u.source.loseInKernel(n, wall(u.sampled))
		}
		u.dropped = dropped
	}
	u.sampled = t
}

// SO_MEMINFO of socket(7) gives nine numbers of a socket's memory. The last is how many datagrams were dropped.
const (
	soMeminfo = 55
	memNumber = 9
)

// kernelDrops reads how many datagrams the kernel dropped at u, which it counts in 32 bits.
func (u *udpSocket) kernelDrops() (n uint32, ok bool) {
	raw, err := u.conn.SyscallConn()
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
