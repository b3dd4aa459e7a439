package afpacket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// routed gives near an address, and a neighbour 10.9.0.2 whose frames leave by near.
func routed(t *testing.T) {
	t.Helper()
	ip(t, "address add 10.9.0.1/24 dev near")
	ip(t, "neighbour replace 10.9.0.2 lladdr 02:00:00:00:00:0b dev near nud permanent")
}

// TestDatagramsThatLeaveInOneGoComeWhole sends three SIP messages in one call, which the kernel shows as one frame
// (UDP_SEGMENT, udp(7)): longer than the network's largest, shorter than a block.
func TestDatagramsThatLeaveInOneGoComeWhole(t *testing.T) {
	namespace(t)
	ip(t, "link set near mtu 1500")
	routed(t)
	out, back := sourceOf(t, config("near")), sourceOf(t, config("far"))
	to, err := net.Dial("udp", "10.9.0.2:5060")
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	one := "OPTIONS sip:a@b SIP/2.0\r\nSubject: " + strings.Repeat("x", 1200) + "\r\nContent-Length: 0\r\n\r\n"
	raw, err := to.(*net.UDPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, len(one))
	}); err != nil {
		t.Fatal(err)
	}
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("no UDP_SEGMENT: %v", err)
	}
	if err != nil {
		t.Skipf("no UDP_SEGMENT: %v", err)
	}
	if _, err := io.WriteString(to, strings.Repeat(one, 3)); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Source{out, back} {
		var got []byte
		packets := 0
		for ; len(got) < 3*len(one); packets++ {
			p, err := next(s)
			if err != nil {
				t.Fatalf("after %d bytes of %d: %v", len(got), 3*len(one), err)
			}
			if got = append(got, p.Payload...); p.Cut {
				t.Errorf("packet %d of %d bytes is cut", packets, len(p.Payload))
			}
		}
		if string(got) != strings.Repeat(one, 3) || packets != 1 {
			t.Errorf("%s: %d bytes in %d packets, want the three messages in one", s.reader.name, len(got), packets)
		}
	}
}

// TestStreamThatLeavesInBurstsComesWhole sends a megabyte over TCP between two namespaces. The kernel shows segments
// of up to 64 KiB that no network ever carries.
func TestStreamThatLeavesInBurstsComesWhole(t *testing.T) {
	namespace(t)
	ip(t, "link set near mtu 1500")
	ip(t, "link set far mtu 1500")
	ip(t, "address add 10.9.0.1/24 dev near")
	c := config("near")
	c.Blocks, c.BlockSize = 32, 1<<20
	s := sourceOf(t, c)
	far := elsewhere(t, "far", "10.9.0.2/24")
	accepted := make(chan error, 1)
	go func() {
		conn, err := far.Accept()
		if err == nil {
			_, err = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
		accepted <- err
	}()
	conn, err := net.Dial("tcp", "10.9.0.2:5060")
	if err != nil {
		t.Fatal(err)
	}
	var sent bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&sent, "OPTIONS sip:%d SIP/2.0\r\nSubject: %s\r\n\r\n", i, strings.Repeat("x", 1000))
	}
	if _, err := conn.Write(sent.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-accepted; err != nil {
		t.Fatal(err)
	}
	var got []byte
	longest := 0
	for len(got) < sent.Len() {
		p, err := next(s)
		if err != nil || p.Cut || p.Lost {
			t.Fatalf("after %d bytes of %d: cut %v, lost %v, %v", len(got), sent.Len(), p.Cut, p.Lost, err)
		}
		got, longest = append(got, p.Payload...), max(longest, len(p.Payload))
	}
	if !bytes.Equal(got, sent.Bytes()) || longest <= 1500 {
		t.Errorf("%d bytes of %d, the longest segment %d: want all, and one above 1500", len(got), sent.Len(), longest)
	}
}

// elsewhere moves an interface to a namespace of its own, and listens there for SIP over TCP.
func elsewhere(t *testing.T, name, address string) net.Listener {
	t.Helper()
	there, moved, opened := make(chan int), make(chan bool), make(chan net.Listener)
	go func() {
		runtime.LockOSThread() // the namespace ends with it
		defer close(opened)
		if unix.Unshare(unix.CLONE_NEWNET) != nil {
			close(there)
			return
		}
		there <- unix.Gettid()
		if !<-moved {
			return
		}
		host, _, _ := strings.Cut(address, "/")
		_, addressed := runIP("address add " + address + " dev " + name)
		_, up := runIP("link set " + name + " up")
		l, err := net.Listen("tcp", host+":5060")
		if err = errors.Join(addressed, up, err); err != nil {
			t.Error(err)
			return
		}
		opened <- l
	}()
	thread, ok := <-there
	if !ok {
		t.Fatal("no second namespace")
	}
	ip(t, fmt.Sprintf("link set %s netns %d", name, thread))
	moved <- true
	l, ok := <-opened
	if !ok {
		t.Fatal("nobody listens there")
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// TestInterfaceWithoutEthernetIsRead captures IP packets as WireGuard, PPP and tunnels show them.
func TestInterfaceWithoutEthernetIsRead(t *testing.T) {
	namespace(t)
	tun := tunnelDevice(t, "tun0")
	ip(t, "link set tun0 up")
	c := config("tun0")
	s := sourceOf(t, c)
	for i, f := range [][]byte{datagram(5060, 1, 100), datagram(9999, 2, 100), datagram(5061, 3, 1000)} {
		if _, err := tun.Write(f[14:]); err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
	}
	v6 := append(fromHex(ip6("11")), datagram(5060, 4, 100)[34:]...)
	v6[5] = byte(len(v6) - 40)
	if _, err := tun.Write(v6); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"sip:00000001", "sip:00000003", "sip:00000004"} {
		if p, err := next(s); err != nil || !bytes.Contains(p.Payload, []byte(want)) || p.Link != [6]byte{} {
			t.Errorf("payload = %.40q of %x, %v, want %s", p.Payload, p.Link, err, want)
		}
	}
	time.AfterFunc(5*c.Retire, func() { _ = s.Close() })
	if p, err := next(s); err != io.EOF {
		t.Errorf("one packet more, of %d bytes (%v)", len(p.Payload), err)
	}
	if words, _ := s.Filter(); s.Drops().Seen != 3 || !strings.Contains(words, "5060-5061") {
		t.Errorf("seen = %d with %q, want 3", s.Drops().Seen, words)
	}
}

// tunnelDevice makes a tun device, what is written to which comes in on it.
func tunnelDevice(t *testing.T, name string) *os.File {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("no tun devices: %v", err)
	}
	if err != nil {
		t.Skipf("no tun devices: %v", err)
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), name)
	t.Cleanup(func() { _ = f.Close() })
	return f
}
