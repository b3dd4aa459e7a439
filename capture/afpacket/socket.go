package afpacket

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"sipsieve/capture/decode"
)

// A socket is a packet socket with its ring mapped, and an eventfd that wakes who waits for it.
type socket struct {
	fd, wake int
	mem      []byte
	link     decode.LinkType
	lets     Filter
	filter   []bpf.RawInstruction // its program
}

var everyFrame = uint16(unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8) // in network byte order

// openSocket returns a socket bound to the interface, whose filter lets nothing in until admit.
func openSocket(c Config) (s *socket, err error) {
	s = &socket{fd: -1, wake: -1}
	defer func() {
		if err != nil {
			s.close()
			s, err = nil, fmt.Errorf("afpacket: %s: %w", c.Interface, err)
		}
	}()
	link, err := net.InterfaceByName(c.Interface)
	if err != nil {
		return s, ErrAbsent
	}
	if s.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return s, fmt.Errorf("eventfd: %w", err)
	}
	// With protocol 0 the socket receives nothing before it is bound.
	if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		return s, fmt.Errorf("socket (needs CAP_NET_RAW): %w", err)
	}
	if err = s.attach([]bpf.RawInstruction{{Op: unix.BPF_RET | unix.BPF_K}}); err != nil {
		return s, err
	}
	if err = s.mapRing(c); err != nil {
		return s, err
	}
	if err = s.bind(link.Index, c.Promiscuous); err != nil {
		return s, err
	}
	s.lets = c.Filter()
	s.lets.Raw = s.link == decode.Raw
	s.filter, err = s.lets.Program()
	return s, err
}

func (s *socket) mapRing(c Config) error {
	if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("TPACKET_V3: %w", err)
	}
	const frameSize = 2048 // only a unit of account: TPACKET_V3 packs frames of any length
	err := unix.SetsockoptTpacketReq3(s.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq3{
		Block_size:     uint32(c.BlockSize),
		Block_nr:       uint32(c.Blocks),
		Frame_size:     frameSize,
		Frame_nr:       uint32(c.Blocks * (c.BlockSize / frameSize)),
		Retire_blk_tov: uint32(c.Retire.Milliseconds()),
	})
	if err != nil {
		return fmt.Errorf("ring: %w", err)
	}
	s.mem, err = unix.Mmap(s.fd, 0, c.Blocks*c.BlockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map ring: %w", err)
	}
	return nil
}

// bind ties the socket to an interface of Ethernet frames, or of IP packets without another header: that of a tun
// device, of WireGuard, PPP or an IP tunnel. Loopback shows each frame twice, so the
// way out is left out there; elsewhere our own answers are outgoing.
func (s *socket) bind(index int, promiscuous bool) error {
	if err := unix.Bind(s.fd, &unix.SockaddrLinklayer{Protocol: everyFrame, Ifindex: index}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	address, err := s.address()
	if err != nil {
		return err
	}
	s.link = decode.Ethernet
	switch address.Hatype {
	case unix.ARPHRD_ETHER:
	case unix.ARPHRD_NONE, unix.ARPHRD_RAWIP, unix.ARPHRD_PPP, unix.ARPHRD_TUNNEL, unix.ARPHRD_TUNNEL6, unix.ARPHRD_SIT:
		s.link = decode.Raw
	case unix.ARPHRD_LOOPBACK:
		if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			return fmt.Errorf("ignore outgoing: %w", err)
		}
	default:
		return fmt.Errorf("hardware type %d is neither Ethernet nor IP", address.Hatype)
	}
	if !promiscuous {
		return nil
	}
	request := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}
	if err := unix.SetsockoptPacketMreq(s.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &request); err != nil {
		return fmt.Errorf("promiscuous: %w", err)
	}
	return nil
}

// group returns the fanout group of the socket, which it founds under a number that no other socket has.
func (s *socket) group() (int, error) {
	const found = (unix.PACKET_FANOUT_HASH | unix.PACKET_FANOUT_FLAG_UNIQUEID) << 16
	if err := s.join(found); err != nil {
		return 0, err
	}
	return unix.GetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
}

func (s *socket) join(group int) error {
	if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, group); err != nil {
		return fmt.Errorf("fanout: %w", err)
	}
	return nil
}

// admit lets in what the filter takes, and locks the filter.
func (s *socket) admit() error {
	if err := s.attach(s.filter); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_LOCK_FILTER, 1); err != nil {
		return fmt.Errorf("lock filter: %w", err)
	}
	return nil
}

func (s *socket) attach(prog []bpf.RawInstruction) error {
	code := make([]unix.SockFilter, len(prog))
	for i, in := range prog {
		code[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	err := unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
	if err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	return nil
}

// wait returns after the socket has something to say, after stop, or after that many milliseconds.
func (s *socket) wait(milliseconds int) error {
	fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}, {Fd: int32(s.wake), Events: unix.POLLIN}}
	if _, err := unix.Poll(fds, milliseconds); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("afpacket: poll: %w", err)
	}
	if fds[0].Revents&unix.POLLERR == 0 {
		return nil
	}
	errno, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR) // also clears it
	switch {
	case err != nil:
		return fmt.Errorf("afpacket: read socket error: %w", err)
	case errno != 0 && unix.Errno(errno) != unix.ENETDOWN: // down may be up again soon
		return fmt.Errorf("afpacket: socket: %w", unix.Errno(errno))
	}
	return nil
}

// stop wakes who waits, now and from now on.
func (s *socket) stop() error {
	_, err := unix.Write(s.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	return err
}

// stopped says whether stop was called.
func (s *socket) stopped() bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(s.wake), Events: unix.POLLIN}}, 0)
	return err == nil && n > 0
}

// gone says whether the interface no longer exists.
func (s *socket) gone() bool {
	address, err := s.address()
	return err != nil || address.Ifindex <= 0
}

func (s *socket) address() (*unix.SockaddrLinklayer, error) {
	name, err := unix.Getsockname(s.fd)
	if err != nil {
		return nil, fmt.Errorf("read address: %w", err)
	}
	address, ok := name.(*unix.SockaddrLinklayer)
	if !ok {
		return nil, errors.New("read address: not of the link layer")
	}
	return address, nil
}

func (s *socket) close() error {
	var errs []error
	if s.mem != nil {
		errs = append(errs, unix.Munmap(s.mem))
	}
	for _, fd := range []int{s.fd, s.wake} {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	s.mem, s.fd, s.wake = nil, -1, -1
	return errors.Join(errs...)
}
