package afpacket

import (
	"encoding/binary"
	"sipsieve/capture/decode"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets in a block and in a frame of TPACKET_V3, linux/if_packet.h: struct tpacket_block_desc, struct tpacket3_hdr.
const (
	blockStatus = 8
	blockFrames = 12
	blockFirst  = 16
	blockHeader = 48
	frameNext   = 0
	frameSec    = 4
	frameNsec   = 8
	frameCaught = 12
	frameLength = 16
	frameStatus = 20
	frameMAC    = 24
	frameTag    = 32
	frameTPID   = 36
	frameHeader = 48
)

// A ring is the memory that the kernel writes frames into, block by block in turn.
type ring struct {
	mem    []byte
	size   int // of a block, bytes
	turn   int // the block that comes next
	block  []byte
	left   int    // frames of block not taken yet
	offset int    // of the next of them
	taken  uint64 // blocks begun, from the beginning
	losing uint64 // of them, those that the kernel marked: it dropped frames since its counters were read
}

// A frame is one frame as the kernel wrote it. Its bytes lie in the ring.
type frame struct {
	time   time.Time
	bytes  []byte
	length int    // on the wire
	vlan   uint16 // identifier of the tag that the kernel took off; 0 without one
	tpid   uint16 // EtherType of that tag
	notice notice
}

// next sets f to the next frame, which is valid until the next call, and is false if there is none. The first call
// behind the last frame of a block returns the block to the kernel.
func (r *ring) next(f *frame) bool {
	for r.left == 0 {
		r.release()
		if !r.acquire() {
			return false
		}
	}
	r.left--
	at := r.offset
	if at < blockHeader || at+frameHeader > len(r.block) {
		r.left = 0
		return false
	}
	h := r.block[at:]
	f.read(h)
	step := int(u32(h, frameNext))
	if step == 0 {
		r.left = 0 // the last of the block, whatever its frame count is
	}
	r.offset += step
	return true
}

// ready reports whether next has a frame, or a block that may hold one.
func (r *ring) ready() bool {
	return r.left > 0 || atomic.LoadUint32(r.status(r.turn))&unix.TP_STATUS_USER != 0
}

// written returns how many blocks the kernel has written since the ring was opened.
func (r *ring) written() uint64 {
	blocks := len(r.mem) / r.size
	ahead := 0
	if r.block != nil {
		ahead = 1
	}
	n := r.taken
	for ; ahead < blocks && atomic.LoadUint32(r.status((r.turn+ahead)%blocks))&unix.TP_STATUS_USER != 0; ahead++ {
		n++
	}
	return n
}

// acquire takes the next block, and is false if the kernel has not closed it yet.
func (r *ring) acquire() bool {
	status := atomic.LoadUint32(r.status(r.turn))
	if status&unix.TP_STATUS_USER == 0 {
		return false
	}
	if status&unix.TP_STATUS_LOSING != 0 {
		r.losing++
	}
	r.taken++
	r.block = r.mem[r.turn*r.size : (r.turn+1)*r.size]
	r.left, r.offset = int(u32(r.block, blockFrames)), int(u32(r.block, blockFirst))
	return true
}

// release returns the block that was read last to the kernel.
func (r *ring) release() {
	if r.block == nil {
		return
	}
	atomic.StoreUint32(r.status(r.turn), unix.TP_STATUS_KERNEL)
	r.turn = (r.turn + 1) % (len(r.mem) / r.size)
	r.block = nil
}

// status returns the status word of block i: whether it is the kernel's to write or ours to read.
func (r *ring) status(i int) *uint32 {
	return (*uint32)(unsafe.Pointer(&r.mem[i*r.size+blockStatus]))
}

// read sets f from the header h of a frame, which lasts to the end of its block.
func (f *frame) read(h []byte) {
	*f = frame{
		time:   time.Unix(int64(u32(h, frameSec)), int64(u32(h, frameNsec))),
		length: int(u32(h, frameLength)),
	}
	status := u32(h, frameStatus)
	if status&unix.TP_STATUS_VLAN_VALID != 0 {
		f.vlan, f.tpid = uint16(u32(h, frameTag))&0x0fff, decode.EtherTag
	}
	if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		f.tpid = u16(h, frameTPID)
	}
	from := min(int(u16(h, frameMAC)), len(h))
	f.bytes = h[from:min(from+int(u32(h, frameCaught)), len(h))]
}

func u32(b []byte, at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
func u16(b []byte, at int) uint16 { return binary.NativeEndian.Uint16(b[at:]) }
