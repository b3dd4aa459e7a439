package oracle

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sipsieve/capture/capturetest"
)

// Start is time zero of every Call.
var Start = time.Date(2026, time.January, 5, 9, 0, 0, 0, time.UTC)

// A Call is what a capture shows of one call, sometimes of several with one Call-ID.
type Call struct {
	Messages []Message     // in the order of their times
	Until    time.Duration // where the domain's clock stands when the capture ends
}

// Frames returns c as link-layer frames in the order of time, and one frame of another call at the end of the
// capture, so that a file's clock comes that far.
func (c *Call) Frames() (frames []capturetest.Frame) {
	for i := range c.Messages {
		frames = append(frames, c.Messages[i].frame())
	}
	if n := len(c.Messages); n > 0 && c.Until > c.Messages[n-1].Time {
		last := Message{Time: c.Until, Src: 1, Dst: 2, Method: "OPTIONS", Seq: 1, From: "o", CallID: "options",
			Vias: []Via{{1, "o"}}, ID: 65535}
		frames = append(frames, last.frame())
	}
	return frames
}

// inOrder sorts ms by time; messages of one time keep their order.
func inOrder(ms []Message) {
	slices.SortStableFunc(ms, func(a, b Message) int { return cmp.Compare(a.Time, b.Time) })
}

// String writes c as Parse reads it.
func (c *Call) String() string {
	var b strings.Builder
	for i := range c.Messages {
		b.WriteString(c.Messages[i].String() + "\n")
	}
	fmt.Fprintf(&b, "until %s\n", seconds(c.Until))
	return b.String()
}

func seconds(d time.Duration) string {
	if d == Never {
		return "never"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 6, 64)
}

// Parse reads what String has written. Lines that begin with # and empty ones are skipped, and those that begin with
// want are returned apart. Without via= a request gets a branch of its own, r and the number of its line, and a
// response the Vias of the last such request that went the other way; without id= and call= each message is a packet
// of its own, all of one Call-ID.
func Parse(text string) (c Call, want []string, err error) {
	for i, line := range strings.Split(text, "\n") {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || fields[0][0] == '#':
			continue
		case fields[0] == "want":
			want = append(want, strings.Join(fields[1:], " "))
		case fields[0] == "until" && len(fields) == 2:
			c.Until, err = parseSeconds(fields[1])
		default:
			err = c.parse(fields, i)
		}
		if err != nil {
			return c, want, fmt.Errorf("oracle: line %d: %w", i+1, err)
		}
	}
	inOrder(c.Messages)
	return c, want, nil
}

func parseSeconds(text string) (time.Duration, error) {
	whole, rest, _ := strings.Cut(text, ".")
	micros, err := strconv.ParseInt(whole+(rest + "000000")[:6], 10, 64)
	return time.Duration(micros) * time.Microsecond, err
}

// parse reads one message.
func (c *Call) parse(f []string, line int) (err error) {
	m := Message{CallID: "c", ID: uint16(len(c.Messages) + 1)}
	if len(f) < 5 || f[2] != "->" {
		return errors.New("want a time, a host, ->, a host, a message")
	}
	if m.Time, err = parseSeconds(f[0]); err != nil {
		return err
	}
	m.Src, m.Dst = Host(number(f[1])), Host(number(f[3]))
	m.Method = f[4]
	if status, method, ok := strings.Cut(f[4], "-"); ok {
		m.Status, m.Method = number(status), method
	}
	for _, word := range f[5:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "seq":
			m.Seq = number(value)
		case "from":
			m.From = value
		case "to":
			m.To = value
		case "via":
			m.Vias = parseVias(value)
		case "id":
			m.ID = uint16(number(value))
		case "call":
			m.CallID = value
		case "cause":
			m.Cause = number(value)
		case "sdp":
			m.SDP = value
		case "expires":
			m.Expires = number(value)
		default:
			return fmt.Errorf("unknown word %q", key)
		}
	}
	if m.Vias == nil {
		m.Vias = c.vias(&m, line)
	}
	c.Messages = append(c.Messages, m)
	return nil
}

// vias returns the Vias of a message that has none in the text.
func (c *Call) vias(m *Message, line int) []Via {
	for i := len(c.Messages) - 1; i >= 0 && !m.request(); i-- {
		q := &c.Messages[i]
		if q.request() && q.Method == m.Method && q.Seq == m.Seq && q.Src == m.Dst && q.Dst == m.Src {
			return q.Vias
		}
	}
	return []Via{{m.Src, "r" + strconv.Itoa(line)}}
}

func parseVias(text string) (vias []Via) {
	for _, v := range strings.Split(text, ",") {
		host, branch, _ := strings.Cut(v, ".")
		vias = append(vias, Via{Host(number(host)), branch})
	}
	return vias
}

// number returns the number in text, 0 for none.
func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}
