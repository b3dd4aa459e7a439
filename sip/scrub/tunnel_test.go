package scrub

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
	"sipsieve/capture/decode"
)

// TestATunnelsNumberOfOnePersonDoesNotLeave looks for a TEID in all that is written.
func TestATunnelsNumberOfOnePersonDoesNotLeave(t *testing.T) {
	const teid = 0xc0ffee42
	s := New([32]byte{1})
	for _, f := range capturetest.Encapsulate(ladder(t, call), capturetest.Wrapping{Kind: capture.GTPU, ID: teid}) {
		frame := decode.Frame{Time: f.Time, Link: decode.Ethernet, Data: f.Data, Length: len(f.Data)}
		if err := s.Add(&frame); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if sum, err := s.Write(&out); err != nil || sum.Written != 6 {
		t.Fatalf("written = %d, err = %v, want 6, nil", sum.Written, err)
	}
	if bytes.Contains(out.Bytes(), binary.BigEndian.AppendUint32(nil, teid)) {
		t.Error("the TEID is in what was written")
	}
}

// TestARouteOfAddressesIsDropped puts a route (RFC 1701) into the GRE header.
func TestARouteOfAddressesIsDropped(t *testing.T) {
	s := New([32]byte{1})
	for _, f := range capturetest.Encapsulate(ladder(t, call), capturetest.Wrapping{Kind: capture.GRE}) {
		const gre, route = 14 + 20, "\x00\x00\x00\x00" + "\x08\x00\x00\x04\xc0\x00\x02\x09" + "\x00\x00\x00\x00"
		data := slices.Insert(slices.Clone(f.Data), gre+4, []byte(route)...)
		data[gre] = 0x40
		binary.BigEndian.PutUint16(data[16:], uint16(len(data)-14))
		frame := decode.Frame{Time: f.Time, Link: decode.Ethernet, Data: data, Length: len(data)}
		if err := s.Add(&frame); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if _, err := s.Write(&out); err == nil || s.sum.Dropped[dropTunnel] != 6 {
		t.Errorf("err = %v, dropped = %v, want an error and 6 of tunnels", err, s.sum.Dropped)
	}
}

func TestABodyMayBeginWithAnEmptyLine(t *testing.T) {
	const parts = "--b1xyz\r\nContent-Type: application/sdp\r\n\r\nm=audio 9 RTP/AVP 0\r\n--b1xyz--"
	const head = "Content-Type: multipart/mixed;boundary=b1xyz\r\n\r\n"
	want := strings.SplitAfter(text(t, head+parts), "\r\n\r\n")
	if got := text(t, head+"\r\n"+parts); got != want[0]+"\r\n"+strings.Join(want[1:], "") {
		t.Errorf("scrubbed = %q, want the parts of %q", got, want)
	}
}

func TestAnAddressWithoutBracketsIsAnAddress(t *testing.T) {
	got := text(t, "Via: SIP/2.0/UDP [2001:db8::9:1]:5060;branch=z9hG4bK1;received=2001:db8::9:1;rport=5060")
	_, address, _ := strings.Cut(got, "[")
	address, _, _ = strings.Cut(address, "]")
	if !strings.Contains(got, ";received="+address+";rport=5060") {
		t.Errorf("Via = %q, want received to be the host", got)
	}
}
