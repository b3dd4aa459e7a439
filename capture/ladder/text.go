package ladder

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Step is one message of a ladder.
type Step struct {
	At       time.Duration // since the start
	From, To string        // names of the sender and the receiver
	Method   string        // of a response: the request's, "" for the last one
	Status   int           // 0 for a request
	Words    []string
	Headers  []Header
	Body     []byte // nil for the session description, if one is due
}

// A Header is one header line. A value of "" removes the header.
type Header struct{ Name, Value string }

func (st *Step) has(word string) bool { return slices.Contains(st.Words, word) }

// word returns the value behind key= in the words of st.
func (st *Step) word(key string) string {
	for _, w := range st.Words {
		if v, ok := strings.CutPrefix(w, key+"="); ok {
			return v
		}
	}
	return ""
}

// An Error is what is wrong with a line of a ladder.
type Error struct {
	Line int // counted from 1
	Err  error
}

// Error returns the line and what is wrong with it.
func (e *Error) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns what is wrong, without the line.
func (e *Error) Unwrap() error { return e.Err }

// A reader plays a text on a Scene.
type reader struct{ *Scene }

// read plays the ladder src.
func (s reader) read(src []byte) error {
	var pending *Step // until its headers are read
	begun, number := 0, 0
	flush := func() error {
		if pending == nil {
			return nil
		}
		if err := s.Play(pending); err != nil {
			return &Error{begun, err}
		}
		pending = nil
		return nil
	}
	for raw := range bytes.Lines(src) {
		number++
		line := strings.TrimRight(string(raw), " \t\r\n")
		if text := strings.TrimSpace(line); text == "" || text[0] == '#' {
			continue
		}
		var err error
		if line[0] == ' ' || line[0] == '\t' {
			err = pending.detail(strings.TrimSpace(line))
		} else {
			if err := flush(); err != nil {
				return err
			}
			begun = number
			pending, err = s.line(strings.Fields(line))
		}
		if err != nil {
			return &Error{number, err}
		}
	}
	return flush()
}

// detail reads a line below st.
func (st *Step) detail(line string) error {
	if st == nil {
		return errors.New("a header stands below no message")
	}
	if text, ok := strings.CutPrefix(line, "|"); ok {
		st.Body = append(append(st.Body, strings.TrimPrefix(text, " ")...), "\r\n"...)
		return nil
	}
	name, value, ok := strings.Cut(line, ":")
	if !ok || name == "" {
		return errors.New("want a header as Name: value")
	}
	st.Headers = append(st.Headers, Header{name, strings.TrimSpace(value)})
	return nil
}

// line reads a line that is not indented: a message, or an option, which returns no step.
func (s reader) line(fields []string) (*Step, error) {
	if fields[0][0] >= '0' && fields[0][0] <= '9' {
		return message(fields)
	}
	return nil, s.option(fields)
}

func message(fields []string) (*Step, error) {
	if len(fields) < 5 {
		return nil, errors.New("want a time, who, an arrow, who, and a message")
	}
	at, err := clock(fields[0])
	if err != nil {
		return nil, err
	}
	st := &Step{At: at, From: fields[1], To: fields[3]}
	switch fields[2] {
	case "->":
	case "<-":
		st.From, st.To = st.To, st.From
	default:
		return nil, errors.New("want -> or <- between the two")
	}
	rest := fields[5:]
	st.Method = fields[4]
	if n, err := strconv.Atoi(st.Method); err == nil {
		if n < 100 || n > 699 {
			return nil, errors.New("want a status from 100 to 699")
		}
		st.Status, st.Method = n, ""
		if len(rest) > 0 && isMethod(rest[0]) {
			st.Method, rest = rest[0], rest[1:]
		}
	} else if !isMethod(st.Method) {
		return nil, errors.New("want a method in capitals or a status")
	}
	st.Words = rest
	return st, checkWords(rest)
}

func isMethod(word string) bool { return word != "" && strings.ToUpper(word) == word && word[0] >= 'A' }

func checkWords(words []string) error {
	for _, w := range words {
		name, _, _ := strings.Cut(w, "=")
		switch name {
		case "nosdp", "sdp", "hold", "tag", "new", "reason", "unseen", "twice":
		default:
			return fmt.Errorf("unknown word %q", w)
		}
	}
	return nil
}

// clock reads [hours:]minutes:seconds.
func clock(text string) (time.Duration, error) {
	var whole time.Duration
	parts := strings.Split(text, ":")
	for _, p := range parts[:len(parts)-1] {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return 0, errors.New("want a time as 00:00.000")
		}
		whole = whole*60 + time.Duration(n)*time.Minute
	}
	seconds, err := time.ParseDuration(parts[len(parts)-1] + "s")
	if err != nil || len(parts) < 2 || len(parts) > 3 || seconds < 0 {
		return 0, errors.New("want a time as 00:00.000")
	}
	return whole + seconds, nil
}

func (s reader) option(fields []string) (err error) {
	value := strings.Join(fields[1:], " ")
	switch {
	case len(fields) > 2 && fields[1] == "is":
		return s.describe(fields)
	case fields[0] == "ipv6", fields[0] == "ipv4":
		s.ipv6 = fields[0] == "ipv6"
	case fields[0] == "transport" && (value == "udp" || value == "tcp"):
		s.tcp = value == "tcp"
	case fields[0] == "callid":
		s.CallID = value
	case fields[0] == "start":
		s.start, err = time.Parse(time.RFC3339Nano, value)
	case fields[0] == "vlan":
		s.VLAN, err = number(value, 0, 4094)
	case fields[0] == "mtu":
		s.MTU, err = number(value, 576, 65535)
	default:
		return fmt.Errorf("unknown option %q", strings.Join(fields, " "))
	}
	return err
}

func number(text string, low, high int) (uint16, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("want a number from %d to %d", low, high)
	}
	return uint16(n), nil
}

// describe reads NAME is NUMBER [at ADDRESS[:PORT]].
func (s reader) describe(fields []string) error {
	p := s.Party(fields[0])
	p.Number = fields[2]
	switch {
	case len(fields) == 3:
		return nil
	case len(fields) != 5 || fields[3] != "at":
		return errors.New("want NAME is NUMBER at ADDRESS:PORT")
	}
	if at, err := netip.ParseAddrPort(fields[4]); err == nil {
		p.Addr, p.port = at.Addr(), at.Port()
		return nil
	}
	addr, err := netip.ParseAddr(fields[4])
	if err != nil {
		return errors.New("want an address, or address:port, behind at")
	}
	p.Addr = addr
	return nil
}
