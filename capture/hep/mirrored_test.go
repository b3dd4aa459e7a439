package hep

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sipsieve/capture"
)

// A part is one chunk of a packet that is being built.
type part struct {
	vendor uint16
	t      chunk
	value  []byte
}

// build returns the HEP3 packet of those parts.
func build(parts ...part) []byte {
	b := append([]byte(magic), 0, 0)
	for _, p := range parts {
		b = binary.BigEndian.AppendUint16(b, p.vendor)
		b = binary.BigEndian.AppendUint16(b, uint16(p.t))
		b = binary.BigEndian.AppendUint16(b, uint16(6+len(p.value)))
		b = append(b, p.value...)
	}
	binary.BigEndian.PutUint16(b[len(magic):], uint16(len(b)))
	return b
}

func u16(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }
func u32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// parts returns the chunks of m as a sender writes them.
func parts(m *mirrored) (ps []part) {
	add := func(t chunk, value []byte) { ps = append(ps, part{0, t, value}) }
	src, dst := m.src.Addr().AsSlice(), m.dst.Addr().AsSlice()
	if m.src.Addr().Is4() {
		add(chunkFamily, []byte{2})
		add(chunkSrcIPv4, src)
		add(chunkDstIPv4, dst)
	} else {
		add(chunkFamily, []byte{10})
		add(chunkSrcIPv6, src)
		add(chunkDstIPv6, dst)
	}
	add(chunkProtocol, []byte{m.protocol})
	add(chunkSrcPort, u16(m.src.Port()))
	add(chunkDstPort, u16(m.dst.Port()))
	if !m.stamp.IsZero() {
		add(chunkSeconds, u32(uint32(m.stamp.Unix())))
		add(chunkMicros, u32(uint32(m.stamp.Nanosecond()/1000)))
	}
	add(chunkKind, []byte{m.kind})
	add(chunkAgent, u32(m.agent))
	for _, p := range []part{{0, chunkCorrelation, m.correlation}, {0, chunkKey, m.key},
		{0, chunkPayload, m.payload}, {0, chunkCompressed, m.compressed}} {
		if p.value != nil {
			add(p.t, p.value)
		}
	}
	return ps
}

// options is a message, and mirror a packet that carries it.
var (
	options = []byte("OPTIONS sip:bob@voice.example.net SIP/2.0\r\nCall-ID: 1\r\n\r\n")
	noon    = time.Date(2026, 1, 5, 12, 0, 0, 123456000, time.UTC)
)

func mirror() *mirrored {
	return &mirrored{
		src: netip.MustParseAddrPort("192.0.2.1:5060"), dst: netip.MustParseAddrPort("192.0.2.2:5070"),
		protocol: 17, kind: sip, agent: 2001, stamp: noon, payload: options, correlation: []byte("1-legs@192.0.2.1"),
	}
}

func TestWhatASenderWroteIsRead(t *testing.T) {
	six := mirror()
	six.src, six.dst = netip.MustParseAddrPort("[2001:db8::1]:5060"), netip.MustParseAddrPort("[2001:db8::2]:0")
	six.protocol, six.stamp, six.correlation, six.key = 6, time.Time{}, nil, []byte("secret")
	for name, want := range map[string]*mirrored{"IPv4": mirror(), "IPv6, TCP, no time, key": six} {
		var got mirrored
		d := decoder{key: want.key}
		if why, ok := d.decode(build(parts(want)...), &got); !ok {
			t.Fatalf("%s: refused: %s", name, why)
		}
		same(t, name, &got, want)
	}
}

func same(t *testing.T, name string, got, want *mirrored) {
	t.Helper()
	if got.src != want.src || got.dst != want.dst || got.protocol != want.protocol || got.kind != want.kind ||
		got.agent != want.agent || !got.stamp.Equal(want.stamp) {
		t.Errorf("%s: got = %+v, want %+v", name, got, want)
	}
	if !bytes.Equal(got.payload, want.payload) || !bytes.Equal(got.correlation, want.correlation) ||
		!bytes.Equal(got.key, want.key) {
		t.Errorf("%s: payload, correlation or key differ", name)
	}
}

func TestTransportsAreThoseOfTheSender(t *testing.T) {
	for protocol, want := range map[uint8]capture.Transport{17: capture.UDP, 6: capture.TCP, 132: capture.SCTP,
		22: capture.TLS, 50: capture.WebSocket} {
		m := mirror()
		m.protocol = protocol
		if got := m.flow().Transport; got != want {
			t.Errorf("protocol %d = %s, want %s", protocol, got, want)
		}
	}
}

func TestMappedAddressesAreIPv4(t *testing.T) {
	m := mirror()
	m.src, m.dst = netip.MustParseAddrPort("[::ffff:192.0.2.1]:5060"), netip.MustParseAddrPort("[::ffff:192.0.2.2]:5070")
	var got mirrored
	if why, ok := new(decoder).decode(build(parts(m)...), &got); !ok {
		t.Fatal(why)
	}
	if got.src != mirror().src || got.dst != mirror().dst {
		t.Errorf("got = %s to %s, want IPv4", got.src, got.dst)
	}
}

// without returns the parts of m but for those of type t, and with puts one behind them.
func without(m *mirrored, t chunk) (ps []part) {
	for _, p := range parts(m) {
		if p.t != t {
			ps = append(ps, p)
		}
	}
	return ps
}

func with(m *mirrored, extra ...part) []byte { return build(append(parts(m), extra...)...) }

// A refusal is a packet that must not be let in, and why.
type refusal struct {
	name string
	b    []byte
	want capture.Reason
}

func refusedAll(t *testing.T, list []refusal) {
	t.Helper()
	for _, c := range list {
		if why, ok := new(decoder).decode(c.b, new(mirrored)); ok || why != c.want {
			t.Errorf("%s: got = %s, %t, want %s", c.name, why, ok, c.want)
		}
	}
}

func TestLengthsThatDoNotAgreeAreRefused(t *testing.T) {
	whole := packed(mirror())
	lying := func(at int, value uint16) []byte {
		b := bytes.Clone(whole)
		binary.BigEndian.PutUint16(b[at:], value)
		return b
	}
	longer := append(bytes.Clone(whole), 0, 0, 0)
	binary.BigEndian.PutUint16(longer[4:], uint16(len(longer)))
	refusedAll(t, []refusal{
		{"nothing", nil, capture.Short},
		{"a magic alone", []byte("HEP3"), capture.Short},
		{"the first half", whole[:len(whole)/2], capture.Short},
		{"version 2 cut", oldPacket(2, mirror())[:20], capture.Short},
		{"another magic", []byte("HEP4\x00\x06"), capture.Malformed},
		{"a length below the header", lying(4, 5), capture.Malformed},
		{"a chunk of length 5", lying(10, 5), capture.Malformed},
		{"a chunk of length 0", lying(10, 0), capture.Malformed},
		{"a chunk beyond the end", lying(10, 60000), capture.Malformed},
		{"half a chunk header at its end", longer, capture.Malformed},
		{"an agent of two bytes", instead(chunkAgent, u16(7)), capture.Malformed},
	})
}

func TestChunksBeyondTheLimitAreRefused(t *testing.T) {
	parts := parts(mirror())
	for len(parts) < maxChunks {
		parts = append(parts, part{9, 9, nil})
	}
	if why, ok := new(decoder).decode(build(parts...), new(mirrored)); !ok {
		t.Errorf("64 chunks: refused: %s", why)
	}
	refusedAll(t, []refusal{{"65 chunks", build(append(parts, part{9, 9, nil})...), capture.Malformed}})
}

func TestContentThatCannotBeUsedIsRefused(t *testing.T) {
	set := func(change func(*mirrored)) []byte {
		m := mirror()
		change(m)
		return packed(m)
	}
	squeezed := func(b []byte) []byte {
		return set(func(m *mirrored) { m.payload, m.compressed = nil, b })
	}
	half := deflated(t, options)
	half = half[:len(half)/2]
	refusedAll(t, []refusal{
		{"a key twice", with(mirror(), part{0, chunkKey, nil}, part{0, chunkKey, nil}), capture.Malformed},
		{"two payloads", with(mirror(), part{0, chunkPayload, options}), capture.Malformed},
		{"a payload both ways", with(mirror(), part{0, chunkCompressed, options}), capture.Malformed},
		{"no source", build(without(mirror(), chunkSrcIPv4)...), capture.Malformed},
		{"IPv4 as family IPv6", instead(chunkFamily, []byte{10}), capture.Malformed},
		{"RTCP", set(func(m *mirrored) { m.kind = 5 }), capture.HEPType},
		{"no type", build(without(mirror(), chunkKind)...), capture.HEPType},
		{"ICMP", set(func(m *mirrored) { m.protocol = 1 }), capture.NotTransport},
		{"an empty payload", set(func(m *mirrored) { m.payload = []byte{} }), capture.Empty},
		{"no payload", build(without(mirror(), chunkPayload)...), capture.Empty},
		{"junk for zlib", squeezed(options), capture.HEPCompressed},
		{"half of zlib", squeezed(half), capture.HEPCompressed},
		{"a byte too much", squeezed(deflated(t, make([]byte, maxPayload+1))), capture.HEPCompressed},
		{"a zlib bomb", squeezed(deflated(t, make([]byte, 1<<24))), capture.HEPCompressed},
	})
}

// instead returns mirror with another value in one chunk.
func instead(t chunk, value []byte) []byte {
	return build(append(without(mirror(), t), part{0, t, value})...)
}

func TestOtherVendorsAndChunksAreSteppedOver(t *testing.T) {
	var m mirrored
	b := with(mirror(), part{0, 19, []byte("node")}, part{3, chunkPayload, []byte("x")}, part{0, 0xffff, nil},
		part{7, chunkKind, []byte("much longer")})
	if why, ok := new(decoder).decode(b, &m); !ok || !bytes.Equal(m.payload, options) {
		t.Errorf("refused: %s, or another payload", why)
	}
}

func TestKeyIsAskedForBeforeAnythingIsUsed(t *testing.T) {
	d := decoder{key: []byte("secret")}
	for name, given := range map[string][]byte{"none": nil, "empty": {}, "shorter": []byte("secre"),
		"longer": []byte("secrets"), "other": []byte("Secret")} {
		m := mirror()
		m.key, m.kind, m.compressed, m.payload = given, 5, options, nil
		if why, ok := d.decode(build(parts(m)...), new(mirrored)); ok || why != capture.HEPKey {
			t.Errorf("%s: got = %s, %t, want hep_auth", name, why, ok)
		}
	}
	for version := byte(1); version <= 2; version++ {
		if why, ok := d.decode(oldPacket(version, mirror()), new(mirrored)); ok || why != capture.HEPKey {
			t.Errorf("version %d, which has no key: got = %s, %t, want hep_auth", version, why, ok)
		}
	}
}

func TestLongCorrelationIsLeftOutWhole(t *testing.T) {
	for length, kept := range map[int]bool{0: false, 1: true, maxCorrelation: true, maxCorrelation + 1: false} {
		m, got := mirror(), mirrored{}
		m.correlation = bytes.Repeat([]byte("c"), length)
		if why, ok := new(decoder).decode(build(parts(m)...), &got); !ok {
			t.Fatal(why)
		}
		if (got.correlation != nil) != kept || got.long != (length > maxCorrelation) {
			t.Errorf("%d bytes: kept %t, long %t", length, got.correlation != nil, got.long)
		}
	}
}

func deflated(t testing.TB, b []byte) []byte {
	t.Helper()
	return squeezed(t, b, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })
}

func squeezed(t testing.TB, b []byte, open func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := open(&buf)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestCompressedPayloadsAreReadAgainAndAgain(t *testing.T) {
	var d decoder
	gzipped := squeezed(t, options, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	longest := []byte(strings.Repeat("a: b\r\n", maxPayload/6) + "xyz")
	for i, c := range []struct{ in, want []byte }{{deflated(t, options), options}, {gzipped, options},
		{deflated(t, longest), longest}, {options, nil}, {deflated(t, options), options}, {gzipped, options}} {
		m := mirror()
		m.payload, m.compressed = nil, c.in
		var got mirrored
		_, ok := d.decode(build(parts(m)...), &got)
		if ok != (c.want != nil) || ok && !bytes.Equal(got.payload, c.want) {
			t.Errorf("payload %d: read %t, %d bytes, want %d", i, ok, len(got.payload), len(c.want))
		}
	}
}

// oldPacket returns m as versions 1 and 2 carry it, from a sender with the byte order of a PC.
func oldPacket(version byte, m *mirrored) []byte {
	src, dst := m.src.Addr().AsSlice(), m.dst.Addr().AsSlice()
	family := byte(2)
	if len(src) == 16 {
		family = 10
	}
	b := []byte{version, byte(oldHeader + len(src) + len(dst)), family, m.protocol}
	b = binary.BigEndian.AppendUint16(b, m.src.Port())
	b = binary.BigEndian.AppendUint16(b, m.dst.Port())
	b = append(append(b, src...), dst...)
	if version == 2 {
		b = binary.LittleEndian.AppendUint32(b, uint32(m.stamp.Unix()))
		b = binary.LittleEndian.AppendUint32(b, uint32(m.stamp.Nanosecond()/1000))
		b = binary.LittleEndian.AppendUint16(b, uint16(m.agent))
		b = append(b, 0, 0)
	}
	return append(b, m.payload...)
}

func TestOldVersionsAreRead(t *testing.T) {
	six := mirror()
	six.src, six.dst = netip.MustParseAddrPort("[2001:db8::1]:5060"), netip.MustParseAddrPort("[2001:db8::2]:5070")
	for _, want := range []*mirrored{mirror(), six} {
		for version := byte(1); version <= 2; version++ {
			want.correlation = nil
			if version == 1 {
				want.stamp, want.agent = time.Time{}, 0
			} else {
				want.stamp, want.agent = noon, 2001
			}
			var got mirrored
			if why, ok := new(decoder).decode(oldPacket(version, want), &got); !ok {
				t.Fatal(why)
			}
			same(t, "version "+string('0'+rune(version)), &got, want)
		}
	}
}
