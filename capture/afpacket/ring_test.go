package afpacket

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// A kernel is the other side of a ring in ordinary memory. It poisons what is given back.
type kernel struct {
	mem  []byte
	size int
	turn int
}

// fill writes a block of frames if the next block is free.
func (k *kernel) fill(tags uint32, frames ...[]byte) bool {
	b := k.mem[k.turn*k.size : (k.turn+1)*k.size]
	if binary.NativeEndian.Uint32(b[blockStatus:]) != unix.TP_STATUS_KERNEL {
		return false
	}
	put := func(at int, v uint32) { binary.NativeEndian.PutUint32(b[at:], v) }
	put(blockFrames, uint32(len(frames)))
	put(blockFirst, blockHeader)
	at := blockHeader
	for i, f := range frames {
		step := (frameHeader + 32 + len(f) + 15) &^ 15
		put(at+frameSec, 1_600_000_000)
		put(at+frameNsec, uint32(i))
		put(at+frameCaught, uint32(len(f)))
		put(at+frameLength, uint32(len(f)+100))
		put(at+frameStatus, unix.TP_STATUS_USER|tags)
		put(at+frameTag, 0xe064) // priority 7, identifier 100
		binary.NativeEndian.PutUint16(b[at+frameTPID:], 0x88a8)
		binary.NativeEndian.PutUint16(b[at+frameMAC:], frameHeader+32)
		copy(b[at+frameHeader+32:], f)
		put(at+frameNext, uint32(step))
		if i == len(frames)-1 {
			put(at+frameNext, 0)
		}
		at += step
	}
	put(blockStatus, unix.TP_STATUS_USER)
	k.turn = (k.turn + 1) % (len(k.mem) / k.size)
	return true
}

// poison overwrites every block that is the kernel's.
func (k *kernel) poison() {
	for b := range slices.Chunk(k.mem, k.size) {
		if binary.NativeEndian.Uint32(b[blockStatus:]) == unix.TP_STATUS_KERNEL {
			for i := blockHeader; i < len(b); i++ {
				b[i] = 0xaa
			}
		}
	}
}

func newKernel() (*kernel, *ring) {
	mem := make([]byte, 4*4096)
	return &kernel{mem: mem, size: 4096}, &ring{mem: mem, size: 4096}
}

func TestFrameStaysUntilTheNextIsAskedFor(t *testing.T) {
	k, r := newKernel()
	sent, seen := 0, 0
	for range 20 {
		for k.fill(0, datagram(5060, sent, 200), datagram(5060, sent+1, 300), datagram(5060, sent+2, 60)) {
			sent += 3
		}
		k.poison()
		for f := (frame{}); r.next(&f); seen++ {
			k.poison()
			if want := datagram(5060, seen, []int{200, 300, 60}[seen%3]); !bytes.Equal(f.bytes, want) {
				t.Fatalf("frame %d = %x, want %x", seen, f.bytes, want)
			}
		}
	}
	if seen != sent || sent < 3*4*20 {
		t.Errorf("frames seen = %d, want %d, 240 or more", seen, sent)
	}
}

func TestBlockGoesBackOnceItsFramesAreTaken(t *testing.T) {
	k, r := newKernel()
	k.fill(0, datagram(5060, 0, 60), datagram(5060, 1, 60))
	var f frame
	for i := range 2 {
		if !r.next(&f) || *r.status(0)&unix.TP_STATUS_USER == 0 {
			t.Fatalf("frame %d: the block went back while it was read", i)
		}
	}
	if r.next(&f) || *r.status(0) != unix.TP_STATUS_KERNEL {
		t.Error("the block was not given back")
	}
}

func TestTagIsTakenFromTheRingHeader(t *testing.T) {
	cases := []struct {
		tags       uint32
		vlan, tpid uint16
	}{
		{0, 0, 0},
		{unix.TP_STATUS_VLAN_VALID, 100, 0x8100},
		{unix.TP_STATUS_VLAN_VALID | unix.TP_STATUS_VLAN_TPID_VALID, 100, 0x88a8},
	}
	for _, c := range cases {
		k, r := newKernel()
		k.fill(c.tags, datagram(5060, 0, 60))
		var f frame
		if !r.next(&f) || f.vlan != c.vlan || f.tpid != c.tpid {
			t.Errorf("tags %#x: vlan %d of %#x, want %d of %#x", c.tags, f.vlan, f.tpid, c.vlan, c.tpid)
		}
		if f.length != len(f.bytes)+100 || f.time.UnixNano() != 1_600_000_000e9 {
			t.Errorf("length = %d of %d bytes, time %d", f.length, len(f.bytes), f.time.UnixNano())
		}
	}
}

// FuzzRingStaysInside holds that whatever a block holds, frames lie within it and the ring comes to an end.
func FuzzRingStaysInside(f *testing.F) {
	f.Add([]byte{}, uint32(3))
	f.Add(bytes.Repeat([]byte{0xff}, 512), uint32(1<<31))
	f.Fuzz(func(t *testing.T, block []byte, frames uint32) {
		k, r := newKernel()
		copy(k.mem[blockHeader:4096], block)
		binary.NativeEndian.PutUint32(k.mem[blockFrames:], frames)
		binary.NativeEndian.PutUint32(k.mem[blockFirst:], blockHeader)
		*r.status(0) = unix.TP_STATUS_USER
		n := 0
		for fr := (frame{}); r.next(&fr); n++ {
			if len(fr.bytes) > 4096 || n > 4096 {
				t.Fatalf("frame %d of %d bytes from a block of 4096", n, len(fr.bytes))
			}
		}
	})
}
