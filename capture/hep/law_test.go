package hep

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"sipsieve/capture"
)

// FuzzDecode holds three laws for any bytes: what is accepted can be written and read again with the same content; the
// payload is within its limit; and nothing that is kept lies outside of what was given or of the inflater.
func FuzzDecode(f *testing.F) {
	f.Add(build(parts(mirror())...))
	f.Add(oldPacket(1, mirror()))
	f.Add(oldPacket(2, mirror()))
	z := mirror()
	z.payload, z.compressed = nil, deflated(f, options)
	f.Add(build(parts(z)...))
	var d decoder
	f.Fuzz(func(t *testing.T, b []byte) {
		var m, again mirrored
		if why, ok := d.decode(b, &m); !ok {
			if why >= capture.Reasons {
				t.Errorf("reason %d is none", why)
			}
			return
		}
		if len(m.payload) == 0 || len(m.payload) > maxPayload || len(m.correlation) > maxCorrelation {
			t.Errorf("payload %d, correlation %d bytes", len(m.payload), len(m.correlation))
		}
		if cap(d.inflater.out) > maxPayload+1 {
			t.Errorf("the inflater has %d bytes", cap(d.inflater.out))
		}
		m.compressed = nil
		whole := build(parts(&m)...)
		if len(whole) > maxPacket || m.src.Addr().Is4() != m.dst.Addr().Is4() {
			return // has no spelling
		}
		if why, ok := new(decoder).decode(whole, &again); !ok {
			t.Fatalf("its own spelling is refused: %s", why)
		}
		same(t, "again", &again, &m)
	})
}

// FuzzWrittenIsRead builds packets of any content and reads them back.
func FuzzWrittenIsRead(f *testing.F) {
	f.Add([]byte("secret"), options, []byte("1@h"), uint32(7), true)
	f.Fuzz(func(t *testing.T, key, payload, correlation []byte, n uint32, six bool) {
		if len(key)+len(payload)+len(correlation) > maxPacket-200 || len(payload) == 0 || len(correlation) > maxCorrelation {
			return
		}
		a := [16]byte{0x20, 1, 15: 1}
		binary.BigEndian.PutUint32(a[8:], n)
		ip := netip.AddrFrom16(a)
		if !six {
			ip = netip.AddrFrom4([4]byte(a[8:12]))
		}
		want := &mirrored{src: netip.AddrPortFrom(ip, uint16(n)), dst: netip.AddrPortFrom(ip, uint16(n>>16)),
			protocol: 17, kind: sip, agent: n, stamp: time.Unix(int64(n), int64(n%1e6)*1000),
			key: key, payload: payload, correlation: correlation}
		d := decoder{key: bytes.Clone(key)}
		var got mirrored
		if why, ok := d.decode(build(parts(want)...), &got); !ok {
			t.Fatalf("refused: %s", why)
		}
		same(t, "read", &got, want)
	})
}

// cutAt feeds the stream to a framer in pieces of at most step bytes, and returns copies of the packets and whether
// all of it was HEP.
func cutAt(stream []byte, step int) (packets [][]byte, ok bool) {
	f := newFramer()
	for {
		b, ok := f.next()
		switch {
		case !ok:
			return packets, false
		case b != nil:
			packets = append(packets, bytes.Clone(b))
			continue
		case len(stream) == 0:
			return packets, true
		}
		n := copy(f.room(), stream[:min(step, len(stream))])
		f.fill(n, noon)
		stream = stream[n:]
	}
}

// FuzzFramer holds that packets do not depend on how the stream was cut, and that together they are the stream.
func FuzzFramer(f *testing.F) {
	one := build(parts(mirror())...)
	f.Add(slices.Concat(one, one, one), uint16(7))
	f.Add(slices.Concat(one, []byte("HEP3\x00\x05"), one), uint16(1))
	f.Add(slices.Concat(one, []byte("HEX")), uint16(5))
	f.Add([]byte("HEP3\xff\xff"), uint16(2))
	f.Fuzz(func(t *testing.T, stream []byte, step uint16) {
		whole, fine := cutAt(stream, len(stream)+1)
		pieces, ok := cutAt(stream, int(step)+1)
		if ok != fine || !slices.EqualFunc(whole, pieces, bytes.Equal) {
			t.Errorf("in pieces of %d: %d packets, %t, want %d, %t", step+1, len(pieces), ok, len(whole), fine)
		}
		if !bytes.HasPrefix(stream, slices.Concat(whole...)) {
			t.Error("the packets are not the beginning of the stream")
		}
	})
}

// FuzzQueue compares a queue with a list: what is put comes out in order and whole, however large, and what was lent
// stays as it is until it is given back.
func FuzzQueue(f *testing.F) {
	f.Add(append(bytes.Repeat([]byte{1}, 20), make([]byte, 20)...))
	for seed := range uint64(32) {
		random, steps := rand.New(rand.NewPCG(seed, 1)), make([]byte, 256)
		for i := range steps {
			steps[i] = byte(random.Uint32())
		}
		f.Add(steps)
	}
	f.Fuzz(func(t *testing.T, steps []byte) {
		if len(steps) > 256 {
			return // adds nothing to a short one
		}
		q := newQueue(9 * perSlot)
		var list [][]byte
		var lent capture.Packet
		var want []byte
		for i, n := range steps {
			if n%3 == 0 { // Next
				if !bytes.Equal(slices.Concat(lent.Payload, lent.Correlation), want) {
					t.Fatal("what was lent has changed")
				}
				q.release()
				lent, want = capture.Packet{}, nil
				if q.waiting() != len(list) {
					t.Fatalf("waiting = %d, want %d", q.waiting(), len(list))
				}
				if len(list) > 0 {
					want, list = list[0], list[1:]
					lent, _ = q.take()
				}
				continue
			}
			b := bytes.Repeat([]byte{byte(i)}, int(n%32+1)*72) // 64 of these fill the room
			half := (len(b) + 1) / 2
			if q.put(&capture.Packet{Payload: b[:half], Correlation: b[half:]}, noon) {
				list = append(list, b)
			} else if q.n == 0 {
				t.Fatal("an empty queue refuses")
			}
		}
	})
}
