package afpacket

import (
	"errors"
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"sipsieve/capture/decode"
)

// A socket is a packet socket with its ring. Only opening it needs CAP_NET_RAW: the ring, the filter, binding, binding
// again and joining a fanout group do not.
type socket struct {
	fd     int
	mem    []byte // its ring; nil before mapRing
	index  int    // number of the interface that it was bound to last; 0 before that
	link   decode.LinkType
	member bool // of a fanout group: it cannot be bound again
	locked bool // the filter is that of admit
}

var everyFrame = uint16(unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8) // in network byte order

// openSocket returns a socket that is not bound and whose filter drops every frame.
func openSocket() (*socket, error) {
	// With protocol 0 the socket receives nothing before it is bound.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("socket (needs CAP_NET_RAW): %w", err)
	}
	s := &socket{fd: fd}
	if err := s.attach([]bpf.RawInstruction{{Op: unix.BPF_RET | unix.BPF_K}}); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// mapRing makes the ring and maps it, once.
func (s *socket) mapRing(c *Config) error {
	if s.mem != nil {
		return nil
	}
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
// device, of WireGuard, PPP or an IP tunnel. Loopback shows each frame twice, so outgoing ones are left out there;
// elsewhere they are our own answers.
func (s *socket) bind(index int, promiscuous bool) error {
	if err := unix.Bind(s.fd, &unix.SockaddrLinklayer{Protocol: everyFrame, Ifindex: index}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	s.index = index
	address, err := s.address()
	if err != nil {
		return err
	}
	link := decode.Ethernet
	switch address.Hatype {
	case unix.ARPHRD_ETHER:
	case unix.ARPHRD_NONE, unix.ARPHRD_RAWIP, unix.ARPHRD_PPP, unix.ARPHRD_TUNNEL, unix.ARPHRD_TUNNEL6, unix.ARPHRD_SIT:
		link = decode.Raw
	case unix.ARPHRD_LOOPBACK:
		if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			return fmt.Errorf("ignore outgoing: %w", err)
		}
	default:
		return fmt.Errorf("hardware type %d is neither Ethernet nor IP", address.Hatype)
	}
	if s.locked && link != s.link {
		return fmt.Errorf("the filter is for another kind of interface: %w", ErrGone)
	}
	s.link = link
	if !promiscuous {
		return nil
	}
	request := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}
	if err := unix.SetsockoptPacketMreq(s.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &request); err != nil {
		return fmt.Errorf("promiscuous: %w", err)
	}
	return nil
}

// bound returns the number of the interface that the socket is bound to, 0 for none: it was not bound yet, or the
// interface was removed. An interface that is created under the same name is another one.
func (s *socket) bound() int {
	if s.index == 0 {
		return 0
	}
	address, err := s.address()
	if err != nil {
		return 0
	}
	return max(address.Ifindex, 0)
}

// found makes the socket the first member of a new fanout group, under a number that no other group has.
func (s *socket) found() (group int, err error) {
	const unique = (unix.PACKET_FANOUT_HASH | unix.PACKET_FANOUT_FLAG_UNIQUEID) << 16
	if err := s.join(unique); err != nil {
		return 0, err
	}
	return unix.GetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
}

// join makes the socket a member of a fanout group.
func (s *socket) join(group int) error {
	if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, group); err != nil {
		return fmt.Errorf("fanout: %w", err)
	}
	s.member = true
	return nil
}

// admit lets in what program takes, and locks the filter.
func (s *socket) admit(program []bpf.RawInstruction) error {
	if err := s.attach(program); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_LOCK_FILTER, 1); err != nil {
		return fmt.Errorf("lock filter: %w", err)
	}
	s.locked = true
	return nil
}

// attach installs a filter.
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

// find returns the number of the interface of that name in the socket's network namespace, 0 without one, and its
// state.
func (s *socket) find(name string) (index int, state State) {
	request, err := unix.NewIfreq(name)
	if err != nil || unix.IoctlIfreq(s.fd, unix.SIOCGIFINDEX, request) != nil {
		return 0, Absent
	}
	index = int(request.Uint32())
	if unix.IoctlIfreq(s.fd, unix.SIOCGIFFLAGS, request) != nil {
		return 0, Absent
	}
	switch flags := request.Uint16(); {
	case flags&unix.IFF_UP == 0:
		return index, Down
	case flags&unix.IFF_RUNNING == 0:
		return index, NoCarrier
	}
	return index, Up
}

// address returns what the socket is bound to.
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
	if s.fd >= 0 {
		errs = append(errs, unix.Close(s.fd))
	}
	s.mem, s.fd = nil, -1
	return errors.Join(errs...)
}
