package ladder

import (
	"errors"
	"strings"
	"testing"
)

const call = `
00:00.000  alice -> bob   INVITE
00:04.900  alice <- bob   200 INVITE
00:05.000  alice -> bob   ACK
`

// TestAnErrorNamesItsLine has a ladder of each mistake, with the error expected.
func TestAnErrorNamesItsLine(t *testing.T) {
	for _, c := range []struct{ ladder, want string }{
		{"# a comment\n\n00:00.000 alice -> bob\n", "line 3: want a time, who, an arrow, who, and a message"},
		{"00.000 alice -> bob INVITE\n", "line 1: want a time as 00:00.000"},
		{"00:00.000 alice => bob INVITE\n", "line 1: want -> or <-"},
		{"00:00.000 alice -> bob invite\n", "line 1: want a method in capitals or a status"},
		{"00:00.000 alice <- bob 99\n", "line 1: want a status from 100 to 699"},
		{"00:00.000 alice -> bob INVITE quiet\n", `line 1: unknown word "quiet"`},
		{"00:00.000 alice -> alice INVITE\n", "line 1: want two parties"},
		{"00:00.000 alice <- bob 200\n", "line 1: a response to no request"},
		{"# two messages\n00:00.000 alice <- bob 200\n    X: y\n00:00.000 alice -> bob INVITE\n", "line 2: a response to no request"},
		{"00:00.000 alice -> bob ACK\n", "line 1: ACK without an INVITE"},
		{"  From: x\n", "line 1: a header stands below no message"},
		{call + "  From\n", "line 5: want a header as Name: value"},
		{"colour red\n", `line 1: unknown option "colour red"`},
		{"vlan 5000\n", "line 1: want a number from 0 to 4094"},
		{"start yesterday\n", "line 1: parsing time"},
		{"alice is +13035550142 at home\n", "line 1: want an address"},
		{call + "01:00.000 alice -> bob INFO\n" + strings.Repeat("  | x"+strings.Repeat("x", 1000)+"\n", 70),
			"a message is longer than a datagram"},
	} {
		_, err := Frames([]byte(c.ladder))
		if one := new(Error); !errors.As(err, &one) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: error = %v, want %s", c.ladder, err, c.want)
		}
	}
}

// FuzzFrames reads any text: it gives frames in the order of time, or an error.
func FuzzFrames(f *testing.F) {
	f.Add([]byte(call))
	f.Add([]byte("transport tcp\nipv6\nmtu 576\ncallid x\nalice is +1 at [2001:db8::1]:5062\nvlan 7" + call +
		"00:06.000  alice <- bob   INFO new twice hold tag=x\n  Subject: y\n  | body\n"))
	f.Add([]byte("00:00.000 a -> b REGISTER\n00:00.100 a <- b 401\n00:00.200 a -> b REGISTER\n00:00.300 a <- b 200\n" +
		"00:00.400 a -> b PRACK\n00:00.500 a -> b CANCEL unseen\n00:00.600 a -> b REFER\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		frames, err := Frames(src)
		if err != nil && len(frames) > 0 {
			t.Errorf("frames = %d with an error, want none", len(frames))
		}
		for i := 1; i < len(frames); i++ {
			if frames[i].Time.Before(frames[i-1].Time) {
				t.Fatalf("frame %d is before the one before it", i)
			}
		}
	})
}
