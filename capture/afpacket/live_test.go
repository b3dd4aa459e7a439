package afpacket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

func TestEveryFrameThatPassesIsSeenOnce(t *testing.T) {
	namespace(t)
	c := config("near") // on the way out: nothing queues between the sender and the ring
	c.Blocks = 32
	rs, drops := opened(t, c)
	w := wireOf(t, "near")
	const frames = 20_000
	var got []frame
	for i := range frames {
		w.send(datagram(uint16(5059+i%4), i, 60+i%2000)) // 5059 and 5062 do not pass
		if i%1000 == 999 {                               // however slow this machine is, the ring has room
			got = append(got, take(t, rs[0], 500)...)
		}
	}
	for i, f := range got {
		number := i/2*4 + 1 + i%2
		if want := datagram(uint16(5060+i%2), number, 60+number%2000); string(f.bytes) != string(want) {
			t.Fatalf("frame %d = %.60x, want %.60x", i, f.bytes, want)
		}
	}
	silent(t, rs[0])
	if got := rs[0].stats(); got.Packets != frames/2 || drops.Load() != 0 || got.Skewed != 0 {
		t.Errorf("counted %+v, %d dropped, want %d packets", got, drops.Load(), frames/2)
	}
}

func TestCaptureFilesPassTheWireWhole(t *testing.T) {
	for _, name := range []string{"g01-answered-caller-bye-access", "g16-tcp-access", "g18-ipv6-udp-core",
		"g20-ipv4-fragments-access", "d1-vlan100", "g33-baresip-access"} {
		t.Run(name, func(t *testing.T) {
			frames := fileFrames(t, filepath.Join("../../../shared/captures/generated", name+".pcap"))
			namespace(t)
			c := config("far")
			c.Ports = spans(5060, 5080)
			rs, drops := opened(t, c)
			wireOf(t, "near").send(frames...)
			want := 0
			for _, f := range frames {
				if wanted(f, c.filter()) {
					want++
				}
			}
			take(t, rs[0], want)
			silent(t, rs[0])
			if got := rs[0].stats(); want == 0 || got.Packets != uint64(want) || drops.Load() != 0 {
				t.Errorf("counted %+v and %d dropped of %d", got, drops.Load(), want)
			}
		})
	}
}

func TestLoopbackIsSeenOnce(t *testing.T) {
	namespace(t)
	rs, _ := opened(t, config("lo"))
	there, err := net.ListenPacket("udp", "127.0.0.1:5060")
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	const datagrams = 10
	for i := range datagrams {
		if _, err := there.WriteTo(fmt.Append(nil, i), there.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	take(t, rs[0], datagrams)
	silent(t, rs[0])
}

func TestOwnAnswersAreSeen(t *testing.T) {
	namespace(t)
	rs, _ := opened(t, config("near"))
	wireOf(t, "near").send(datagram(5060, 1, 100))
	take(t, rs[0], 1)
	silent(t, rs[0])
}

func TestTagThatTheKernelTookOffIsKept(t *testing.T) {
	namespace(t)
	rs, _ := opened(t, config("far"))
	plain := datagram(5060, 1, 100)
	inner := slices.Insert(slices.Clone(plain), 12, fromHex("81000065")...)
	outer := slices.Insert(slices.Clone(inner), 12, fromHex("88a8e064")...)
	wireOf(t, "near").send(plain, inner, outer)
	want := []frame{{bytes: plain}, {bytes: plain, vlan: 0x65, tpid: 0x8100}, {bytes: inner, vlan: 0x64, tpid: 0x88a8}}
	for i, f := range take(t, rs[0], 3) {
		if string(f.bytes) != string(want[i].bytes) || f.vlan != want[i].vlan || f.tpid != want[i].tpid {
			t.Errorf("frame %d: tag %d of %#x, want %d of %#x", i, f.vlan, f.tpid, want[i].vlan, want[i].tpid)
		}
	}
}

func TestFanoutSharesWithoutRepeating(t *testing.T) {
	namespace(t)
	c := config("near")
	c.Fanout = 3
	rs, drops := opened(t, c)
	shares := make([]map[uint16]int, len(rs)) // by reader: how many frames of each flow
	var readers sync.WaitGroup
	var seen atomic.Int64
	for i, r := range rs {
		shares[i] = map[uint16]int{}
		readers.Go(func() {
			for f := (frame{}); r.nextFrame(&f) == nil; {
				shares[i][binary.BigEndian.Uint16(f.bytes[34:])]++
				seen.Add(1)
			}
		})
	}
	w := wireOf(t, "near")
	const frames = 3000
	for i := range frames {
		f := datagram(5060, i, 100)
		binary.BigEndian.PutUint16(f[34:], uint16(10000+i%250)) // 250 flows
		w.send(f)
	}
	eventually(t, func() bool { return seen.Load()+int64(drops.Load()) >= frames })
	for _, r := range rs {
		time.AfterFunc(5*r.retire, func() { _ = r.close() }) // a frame that came twice comes in that time
	}
	readers.Wait()
	members := make(map[uint16]int)
	total := 0
	for i, share := range shares {
		if len(share) == 0 {
			t.Errorf("reader %d has no share", i)
		}
		for port, n := range share {
			if before, ok := members[port]; ok {
				t.Errorf("flow from %d came to readers %d and %d", port, before, i)
			}
			members[port] = i
			total += n
		}
	}
	if total != frames || drops.Load() != 0 {
		t.Errorf("seen = %d and %d dropped, want %d", total, drops.Load(), frames)
	}
}

func TestStampFarFromArrivalIsReplaced(t *testing.T) {
	namespace(t)
	c := config("far")
	c.Skew = time.Nanosecond // the time on the wire alone is longer
	rs, _ := opened(t, c)
	wireOf(t, "near").send(datagram(5060, 1, 100))
	if f := take(t, rs[0], 1)[0]; f.time != rs[0].arrival || rs[0].stats().Skewed != 1 {
		t.Errorf("time = %s, arrival %s, counted %d", f.time, rs[0].arrival, rs[0].stats().Skewed)
	}
}

func TestCloseEndsTheWait(t *testing.T) {
	namespace(t)
	rs, _ := opened(t, config("far"))
	ended := make(chan error, 1)
	go func() { ended <- rs[0].nextFrame(new(frame)) }()
	for rs[0].life.Load() != reading {
		runtime.Gosched()
	}
	for range 2 {
		if err := rs[0].close(); err != nil {
			t.Error(err)
		}
	}
	select {
	case err := <-ended:
		if err != io.EOF || rs[0].fd != -1 {
			t.Errorf("read = %v, descriptor %d, want EOF and -1", err, rs[0].fd)
		}
	case <-time.After(patience):
		t.Fatal("read did not return")
	}
	if err := rs[0].nextFrame(new(frame)); err != io.EOF {
		t.Errorf("second read = %v, want EOF", err)
	}
}

func TestCloseBeforeTheFirstReadGivesAllBack(t *testing.T) {
	namespace(t)
	rs, _ := opened(t, config("far"))
	if err := rs[0].close(); err != nil || rs[0].fd != -1 || rs[0].mem != nil {
		t.Errorf("close = %v, descriptor %d", err, rs[0].fd)
	}
	if err := rs[0].nextFrame(new(frame)); err != io.EOF {
		t.Errorf("read = %v, want EOF", err)
	}
}

func TestInterfaceDownAndUpIsSurvived(t *testing.T) {
	namespace(t)
	rs, _ := opened(t, config("far"))
	received, ended := listen(t, rs[0])
	w := wireOf(t, "near")
	w.send(datagram(5060, 1, 100))
	<-received
	ip(t, "link set far down")
	eventually(t, func() bool { return rs[0].State() != Up }) // the reader has read the error
	ip(t, "link set far up")
	again := time.NewTicker(20 * time.Millisecond) // the carrier comes back a little later
	defer again.Stop()
	for {
		select {
		case <-again.C:
			w.send(datagram(5060, 2, 200))
		case n := <-received:
			if n != 200 {
				t.Errorf("frame of %d bytes, want 200", n)
			}
			return
		case err := <-ended:
			t.Fatalf("the reader ended: %v", err)
		}
	}
}

func TestFilterCannotBeChangedOnceFramesComeIn(t *testing.T) {
	namespace(t)
	rs, _ := opened(t, config("far"))
	if err := rs[0].attach([]bpf.RawInstruction{{Op: unix.BPF_RET | unix.BPF_K}}); !errors.Is(err, unix.EPERM) {
		t.Errorf("attach = %v, want EPERM", err)
	}
}
