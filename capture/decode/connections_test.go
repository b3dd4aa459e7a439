package decode

import "testing"

// connections are the lives of TCP connections, and what is read of their streams.
var connections = map[string]struct {
	play func(d *decoder)
	want string
}{
	"reset": {func(d *decoder) {
		d.clientSends(0, flagSYN, "")
		d.clientSends(1, flagACK, "a")
		d.clientSends(2, flagRST, "")
		d.clientSends(900, flagSYN, "")
		d.clientSends(901, flagACK|flagFIN, "b")
	}, "a. b."},
	"reset from elsewhere": {func(d *decoder) {
		d.clientSends(0, flagSYN, "")
		d.clientSends(1, flagACK, "a")
		d.clientSends(1<<30, flagRST, "")
		d.clientSends(2, flagACK, "b")
	}, "ab"},
	"refused": {func(d *decoder) {
		d.clientSends(0, flagSYN, "")
		d.answers(0, 1, flagRST|flagACK, "")
	}, ""},
	"both sides finish": {func(d *decoder) {
		d.clientSends(0, flagSYN, "")
		d.answers(50, 1, flagSYN|flagACK, "")
		d.clientSends(1, flagACK|flagFIN, "a")
		d.answers(51, 3, flagACK|flagFIN, "b")
		d.clientSends(1, flagACK|flagFIN, "a") // sent again
	}, "a. b."},
	"data in the SYN": {func(d *decoder) { // RFC 7413
		d.clientSends(0, flagSYN, "abc")
		d.clientSends(1, flagACK, "abc") // the server did not take it
		d.clientSends(4, flagACK, "def")
	}, "abcdef"},
	"the same ports with other numbers": {func(d *decoder) {
		d.clientSends(0, flagSYN, "")
		d.clientSends(1, flagACK, "a")
		d.clientSends(5000, flagSYN, "")
		d.clientSends(5001, flagACK, "b")
	}, "a. b"},
	"the same ports and numbers after the end": {func(d *decoder) {
		d.clientSends(0, flagSYN, "")
		d.clientSends(1, flagACK|flagFIN, "a")
		d.clientSends(0, flagSYN, "")
		d.clientSends(1, flagACK, "b")
	}, "a. b"},
	"the same ports and numbers, recognised by the answer": {func(d *decoder) {
		d.clientSends(0, flagSYN, "")
		d.answers(50, 1, flagSYN|flagACK, "")
		d.clientSends(1, flagACK, "a")
		d.clientSends(0, flagSYN, "")
		d.answers(90, 1, flagSYN|flagACK, "")
		d.clientSends(2, flagACK, "c")
		d.clientSends(1, flagACK, "b")
		d.answers(91, 3, flagACK, "d")
	}, "a. bc d"},
	"another connection, its SYN unseen": {func(d *decoder) {
		d.clientSends(5_000_000, flagACK, "a")
		d.clientSends(20, flagACK, "b")
	}, "a. b"},
	"another connection after the end, its SYN unseen": {func(d *decoder) {
		d.clientSends(0, flagACK|flagFIN, "a")
		d.clientSends(70, flagACK, "b")
	}, "a. b"},
	"SYN late": {func(d *decoder) {
		d.clientSends(1, flagACK, "a")
		d.clientSends(0, flagSYN, "")
		d.clientSends(2, flagACK, "b")
	}, "ab"},
	"keepalive": {func(d *decoder) { // RFC 9293 section 3.8.4, with and without a byte
		d.clientSends(9, flagACK, "\x00")
		d.clientSends(10, flagACK, "a")
		d.clientSends(10, flagACK, "\x00")
		d.clientSends(10, flagACK, "")
		d.clientSends(11, flagACK, "b")
	}, "ab"},
	"wraparound": {func(d *decoder) {
		d.clientSends(0xfffffffe, flagSYN, "")
		d.clientSends(2, flagACK, "d")
		d.clientSends(0xffffffff, flagACK, "abc")
		d.clientSends(3, flagACK, "e")
	}, "abcde"},
	"segments behind the end": {func(d *decoder) {
		d.clientSends(0, flagACK, "a")
		d.clientSends(2, flagACK|flagFIN, "c")
		d.clientSends(4, flagACK, "x")
		d.clientSends(1, flagACK, "b")
	}, "abc."},
}

func TestConnectionsBeginAndEnd(t *testing.T) {
	for name, story := range connections {
		d := newDecoder(t, DefaultConfig())
		story.play(d)
		d.flush()
		if got := d.each(); got != story.want {
			t.Errorf("%s: got = %q, want %q", name, got, story.want)
		}
	}
}
