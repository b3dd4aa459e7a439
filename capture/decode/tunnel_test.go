package decode

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
)

// everything has all tunnels configured.
func everything() Config {
	cfg := DefaultConfig()
	cfg.Tunnels = capture.EveryTunnel
	return cfg
}

const aCall = `
00:00.000  alice -> bob   INVITE
00:00.080  alice <- bob   100
00:01.200  alice <- bob   180
00:04.900  alice <- bob   200 INVITE
00:05.000  alice -> bob   ACK
01:04.900  alice -> bob   BYE
01:04.950  alice <- bob   200 BYE
`

// ladder returns the frames of aCall with options, which end in a line break.
func ladder(t testing.TB, options string) []capturetest.Frame {
	t.Helper()
	frames, err := capturetest.Ladder([]byte(options + aCall))
	if err != nil {
		t.Fatal(err)
	}
	return frames
}

// show feeds frames and returns what came out, but for where it was seen.
func (d *decoder) show(frames []capturetest.Frame) (list []string) {
	d.t.Helper()
	from := len(d.out)
	for _, f := range frames {
		d.frame(&Frame{Time: f.Time, Link: LinkType(f.Link), Data: f.Data, Length: len(f.Data)})
	}
	d.flush()
	for _, p := range d.out[from:] {
		list = append(list, fmt.Sprint(p.Time, p.Flow, p.ID, p.Stream, p.Lost, p.Ended, p.Cut, string(p.Payload)))
	}
	return list
}

// TestEncapsulatedCallsAreThePlainOnes: each encapsulation with each transport, family and kind of fragments.
func TestEncapsulatedCallsAreThePlainOnes(t *testing.T) {
	for _, options := range []string{"", "transport tcp\n", "ipv6\n", "transport tcp\nipv6\n", "mtu 576\n",
		"transport tcp\nmtu 576\n"} {
		plain := ladder(t, options)
		d := newDecoder(t, everything())
		want := d.show(plain)
		if tunnels := d.count.Drops().Carried; len(want) < 7 || tunnels != [capture.Encapsulations]uint64{} {
			t.Fatalf("packets = %d, want at least 7, in nothing: %v", len(want), tunnels)
		}
		for kind := range capture.Encapsulations {
			for _, v6 := range []bool{false, true} {
				wrapped := capturetest.Encapsulate(plain, capturetest.Wrapping{Kind: kind, IPv6: v6})
				d := newDecoder(t, everything())
				if got := d.show(wrapped); !slices.Equal(got, want) {
					t.Errorf("%v (IPv6 %v) of %q: packets = %d, want the %d of the plain form", kind, v6, options, len(got), len(want))
				}
				if n := d.count.Drops().Carried[kind]; n != uint64(len(plain)) {
					t.Errorf("%v of %q: carried = %d, want %d", kind, options, n, len(plain))
				}
			}
		}
	}
}

// TestTunnelsInTunnelsAreSteppedInto goes two deep in every pair that there can be.
func TestTunnelsInTunnelsAreSteppedInto(t *testing.T) {
	plain := ladder(t, "mtu 1500\n")
	want := newDecoder(t, everything()).show(plain)
	for outer := capture.MPLS; outer < capture.Encapsulations; outer++ {
		for inner := capture.MPLS; inner < capture.Encapsulations; inner++ {
			frames := capturetest.Encapsulate(plain, capturetest.Wrapping{Kind: inner})
			if kind := binary.BigEndian.Uint16(frames[0].Data[12:]); kind != 0x0800 && headless(outer) {
				continue // MPLS and PPPoE are of the link, and these carry IP only
			}
			frames = capturetest.Encapsulate(frames, capturetest.Wrapping{Kind: outer})
			d := newDecoder(t, everything())
			if got := d.show(frames); !slices.Equal(got, want) {
				t.Errorf("%v in %v: packets = %d, want %d: %+v", inner, outer, len(got), len(want), d.count.Drops())
			}
		}
	}
}

// headless reports whether e carries packets without a link layer.
func headless(e capture.Encapsulation) bool {
	return e == capture.MPLS || e == capture.PPPoE || e == capture.IPIP || e == capture.GRE || e == capture.GTPU
}

// TestTunnelThatIsNotConfiguredIsCounted: as a tunnel, and nothing of it is given.
func TestTunnelThatIsNotConfiguredIsCounted(t *testing.T) {
	plain := ladder(t, "")
	for kind := capture.MPLS; kind < capture.Encapsulations; kind++ {
		cfg := everything()
		cfg.Tunnels &^= capture.TunnelsOf(kind)
		if kind == capture.NVGRE { // would be taken for a keyed bridge
			cfg.Tunnels &^= capture.TunnelsOf(capture.GRE)
		}
		d := newDecoder(t, cfg)
		got := d.show(capturetest.Encapsulate(plain, capturetest.Wrapping{Kind: kind}))
		if n := d.refused(capture.Tunnel); len(got) != 0 || n != uint64(len(plain)) || d.count.Drops().Carried[kind] != 0 {
			t.Errorf("%v: packets = %d, tunnels = %d, want none and %d", kind, len(got), n, len(plain))
		}
		cfg.Tunnels = capture.TunnelsOf(kind)
		if got := newDecoder(t, cfg).show(capturetest.Encapsulate(plain, capturetest.Wrapping{Kind: kind})); len(got) != 7 {
			t.Errorf("%v alone: packets = %d, want 7", kind, len(got))
		}
	}
}

// TestTunnelsAreNotSteppedIntoWithoutEnd: four deep and no deeper, and no more than 256 bytes of headers.
func TestTunnelsAreNotSteppedIntoWithoutEnd(t *testing.T) {
	for _, test := range []struct {
		kind  capture.Encapsulation
		ipv6  bool
		times int
		want  int
	}{
		{capture.IPIP, false, 4, 7}, {capture.IPIP, false, 5, 0}, {capture.VXLAN, false, 4, 7}, {capture.VXLAN, false, 5, 0},
		{capture.VXLAN, true, 3, 7}, {capture.VXLAN, true, 4, 0}, {capture.GTPU, true, 5, 0},
	} {
		frames := ladder(t, "mtu 1500\n")
		for range test.times {
			frames = capturetest.Encapsulate(frames, capturetest.Wrapping{Kind: test.kind, IPv6: test.ipv6})
		}
		d := newDecoder(t, everything())
		if got := d.show(frames); len(got) != test.want || test.want == 0 && d.refused(capture.Tunnel) != 7 {
			t.Errorf("%v %d times: packets = %d, refused = %d", test.kind, test.times, len(got), d.refused(capture.Tunnel))
		}
	}
}

// TestTunnelsAreKeptApart: two customers use the same addresses, ports, identifications and sequence numbers at the
// same time, each with its own calls.
func TestTunnelsAreKeptApart(t *testing.T) {
	unnamed := []capture.Encapsulation{capture.CookedV1, capture.CookedV2, capture.IPIP, capture.ERSPAN1,
		capture.VNTag, capture.ETag, capture.MetaData} // without an identifier of a network: addresses distinguish them
	for kind := range capture.Encapsulations {
		if slices.Contains(unnamed, kind) {
			continue
		}
		for _, options := range []string{"mtu 576\n", "transport tcp\nmtu 576\n"} {
			both, want := entangled(t, options, func(frames []capturetest.Frame, customer int) []capturetest.Frame {
				return capturetest.Encapsulate(frames, capturetest.Wrapping{Kind: kind, ID: uint32(100 + customer)})
			})
			if got := gather(newDecoder(t, everything()), both); got != want {
				t.Errorf("%v of %q: the two are mixed", kind, options)
			}
		}
	}
	for _, kind := range []capture.Encapsulation{capture.IPIP, capture.GRE, capture.ERSPAN1, capture.VXLAN} {
		wrap := func(frames []capturetest.Frame, customer int) []capturetest.Frame {
			return capturetest.Encapsulate(frames, capturetest.Wrapping{Kind: kind, IPv6: customer == 1})
		}
		both, want := entangled(t, "transport tcp\nmtu 576\n", wrap)
		if got := gather(newDecoder(t, everything()), both); got != want {
			t.Errorf("%v between other addresses: the two are mixed", kind)
		}
	}
}

// A wrapper puts the frames of a customer in that customer's tunnel.
type wrapper func(frames []capturetest.Frame, customer int) []capturetest.Frame

// entangled returns the frames of two customers, one of each in turn, and the payloads of the one and the other.
func entangled(t *testing.T, options string, wrap wrapper) (both []capturetest.Frame, want string) {
	t.Helper()
	var of [2][]capturetest.Frame
	for i := range of {
		of[i] = ladder(t, options+fmt.Sprintf("callid customer-%d@example.net\n", i))
		want += gather(newDecoder(t, everything()), of[i])
		of[i] = wrap(of[i], i)
	}
	if len(of[0]) != len(of[1]) {
		t.Fatal("the two ladders differ in length")
	}
	for i := range of[0] {
		both = append(both, of[0][i], of[1][i])
	}
	return both, want
}

// gather returns the payloads, those of the first customer first.
func gather(d *decoder, frames []capturetest.Frame) string {
	d.show(frames)
	var text [2]strings.Builder
	owner := map[uint64]int{}
	for _, p := range d.out {
		i, ok := owner[p.Stream]
		if !ok || p.Stream == 0 {
			if i = 0; bytes.Contains(p.Payload, []byte("customer-1")) {
				i = 1
			}
			owner[p.Stream] = i
		}
		text[i].Write(p.Payload)
	}
	return text[0].String() + text[1].String()
}

// TestPortsAreAskedOfTheInnermostPacket: a tunnel's own port need not be configured.
func TestPortsAreAskedOfTheInnermostPacket(t *testing.T) {
	cfg := everything()
	for ports, want := range map[PortRange]int{{5060, 5061}: 7, {4000, 5000}: 0} {
		cfg.Ports = []PortRange{ports}
		for kind := range capture.Encapsulations {
			d := newDecoder(t, cfg)
			if got := d.show(capturetest.Encapsulate(ladder(t, ""), capturetest.Wrapping{Kind: kind})); len(got) != want {
				t.Errorf("%v: packets = %d, want %d: %+v", kind, len(got), want, d.count.Drops())
			}
		}
	}
}

// TestSIPToThePortOfATunnelIsSIP: behind NAT a phone may have a tunnel's port.
func TestSIPToThePortOfATunnelIsSIP(t *testing.T) {
	for _, port := range []uint16{PortVXLAN, PortVXLANLinux, PortGeneve, PortGTPU} {
		for _, text := range []string{"SIP/2.0 200 OK\r\n", "INVITE sip:+13035550142@192.0.2.1 SIP/2.0\r\n", "\r\n\r\n"} {
			d := newDecoder(t, everything())
			b := udpDatagram([]byte(text))
			binary.BigEndian.PutUint16(b[2:], port)
			if d.feed(ipPacket(false, 1, 17, b, 0, false, 0)); len(d.out) != 1 || string(d.out[0].Payload) != text {
				t.Errorf("port %d: %q is not given", port, text)
			}
		}
	}
}

// TestVLANIsTheOutermostAndSenderTheInnermost in a mirror that is tagged itself.
func TestVLANIsTheOutermostAndSenderTheInnermost(t *testing.T) {
	frames := capturetest.Encapsulate(ladder(t, "vlan 30\n"), capturetest.Wrapping{Kind: capture.VXLAN})
	frames = capturetest.Encapsulate(frames, capturetest.Wrapping{Kind: capture.Dot1Q, ID: 200})
	cfg := everything()
	cfg.Origin = capture.File
	d := newDecoder(t, cfg)
	d.show(frames)
	if p := d.out[0]; p.VLAN != 200 || p.Link[4] != 0x53 || p.Origin != capture.File {
		t.Errorf("VLAN = %d, link = %x, origin = %v, want 200, that of the caller, file", p.VLAN, p.Link, p.Origin)
	}
}

// TestFragmentsInsideATunnelInFragments: the tunnel's packets are cut, and so were those that it carries.
func TestFragmentsInsideATunnelInFragments(t *testing.T) {
	b := udpDatagram(numbered(3000))
	d := newDecoder(t, everything())
	for _, p := range []piece{{0, 1600}, {1600, len(b)}} {
		inner := ipPacket(false, 5, 17, b[p.from:p.to], p.from, p.to < len(b), 0)
		for _, q := range []piece{{0, 800}, {800, len(inner)}} {
			d.feed(ipPacket(false, uint32(p.from+1), 4, inner[q.from:q.to], q.from, q.to < len(inner), 0))
		}
	}
	d.flush()
	if len(d.out) != 1 || !bytes.Equal(d.out[0].Payload, b[8:]) || d.count.Drops().Lost != [capture.Reasons]uint64{} {
		t.Errorf("packets = %d, counts = %+v, want one and none lost", len(d.out), d.count.Drops())
	}
}

// TestPublicCapturesWithTunnelsAreReadAsTsharkReadsThem compares start lines with the truth of each capture.
func TestPublicCapturesWithTunnelsAreReadAsTsharkReadsThem(t *testing.T) {
	for _, name := range []string{"sngrep-ipip", "ppp-reqs"} {
		path := filepath.Join("../../../shared/captures/public", name)
		file, err := os.ReadFile(path + ".pcap")
		if err != nil {
			t.Skip("no captures beside this checkout")
		}
		text, err := os.ReadFile(path + ".truth.json")
		if err != nil {
			t.Fatal(err)
		}
		var truth struct{ Requests, Statuses map[string]int }
		if err := json.Unmarshal(text, &truth); err != nil {
			t.Fatal(err)
		}
		want := map[string]int{}
		for _, m := range []map[string]int{truth.Requests, truth.Statuses} {
			for word, n := range m {
				want[word] = n
			}
		}
		d := newDecoder(t, everything())
		for b := file[24:]; len(b) >= 16; {
			n := int(binary.LittleEndian.Uint32(b[8:]))
			d.frame(&Frame{Time: newYear, Link: Ethernet, Data: b[16 : 16+n], Length: int(binary.LittleEndian.Uint32(b[12:]))})
			b = b[16+n:]
		}
		got := map[string]int{}
		for _, p := range d.out {
			first, rest, _ := strings.Cut(string(p.Payload), " ")
			if first == "SIP/2.0" {
				first, _, _ = strings.Cut(rest, " ")
			}
			got[first]++
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: messages = %v, want %v", name, got, want)
		}
	}
}
