package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"sipsieve/store"
)

// AccessFile is the file of the state folder that logs every reading of records, one JSON object a line: one before
// the first record and one after the last. The process that reads writes it: the daemon, or a query without a daemon. It
// is only appended to; to rotate it, rename it.
const AccessFile = "access.log"

// errUnlogged is why no record is read while the access log cannot be written.
var errUnlogged = errors.New("the access log cannot be written: no records without an entry")

// An Access is one line of the access log. It has nothing of a record.
type Access struct {
	Time    string  `json:"time"`
	Event   string  `json:"event"` // begin or end
	Verb    string  `json:"verb"`
	UID     int     `json:"uid"` // of the socket's peer, or the process's own
	PID     int     `json:"pid"`
	Daemon  bool    `json:"daemon"` // false: read from the store's files
	Purpose string  `json:"purpose"`
	Request string  `json:"request"`
	Kind    string  `json:"kind,omitempty"`
	From    string  `json:"from,omitempty"`
	To      string  `json:"to,omitempty"`
	Count   *uint64 `json:"count,omitempty"` // records that were handed out, at the end
	Whole   *bool   `json:"whole,omitempty"` // at the end of a query or report: false if it broke off
}

// A Reading is a query, a report or a tail under way.
type Reading struct {
	Count uint64 // records that were handed out; the reader counts them
	path  string
	entry Access
}

// Begin writes the first entry of a reading into the log of a state folder. The error wraps errUnlogged: then
// nothing may be read.
func Begin(state string, a Access) (*Reading, error) {
	r := &Reading{path: filepath.Join(state, AccessFile), entry: a}
	err := os.MkdirAll(state, 0o700)
	if err == nil {
		err = r.write("begin")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnlogged, err)
	}
	return r, nil
}

// End writes the last entry. whole is whether the answer is complete.
func (r *Reading) End(whole bool) error {
	r.entry.Count = &r.Count
	if r.entry.Verb != "tail" {
		r.entry.Whole = &whole
	}
	if err := r.write("end"); err != nil {
		return fmt.Errorf("%w: %w", errUnlogged, err)
	}
	return nil
}

// write appends one line and waits for the disk.
func (r *Reading) write(event string) (err error) {
	r.entry.Event, r.entry.Time = event, time.Now().UTC().Format(time.RFC3339Nano)
	line, err := json.Marshal(r.entry)
	if err != nil {
		return err
	}
	f, err := openAccess(r.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(append(line, '\n')); err != nil {
		return err
	}
	return f.Sync()
}

// openAccess opens the log to append to it, and makes it if there is none: for the owner of the folder, also where root
// reads, since the daemon must be able to go on with it.
func openAccess(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil || os.Geteuid() != 0 {
		return f, err
	}
	dir, err := os.Stat(filepath.Dir(path))
	if err == nil {
		owner := dir.Sys().(*syscall.Stat_t)
		err = f.Chown(int(owner.Uid), int(owner.Gid))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// peers is a listener on a unix socket whose connections have the process at their other end as their RemoteAddr, and so
// has an http.Request (unix(7), SO_PEERCRED).
type peers struct{ net.Listener }

// Accept implements net.Listener.
func (l peers) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return peerConn{c, credentials(c)}, nil
}

type peerConn struct {
	net.Conn
	peer peer
}

// RemoteAddr implements net.Conn: the peer.
func (c peerConn) RemoteAddr() net.Addr { return c.peer }

// A peer is the process that connected. UID and PID are -1 if SO_PEERCRED is not available.
type peer struct{ uid, pid int }

const peerFormat = "uid=%d pid=%d"

// Network implements net.Addr.
func (p peer) Network() string { return "unix" }

// String implements net.Addr. readPeer reads it.
func (p peer) String() string { return fmt.Sprintf(peerFormat, p.uid, p.pid) }

// readPeer reads what String wrote.
func readPeer(text string) (p peer) {
	if _, err := fmt.Sscanf(text, peerFormat, &p.uid, &p.pid); err != nil {
		return peer{-1, -1}
	}
	return p
}

func credentials(c net.Conn) peer {
	who := peer{-1, -1}
	socket, ok := c.(*net.UnixConn)
	if !ok {
		return who
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return who
	}
	_ = raw.Control(func(fd uintptr) {
		if u, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			who = peer{int(u.Uid), int(u.Pid)}
		}
	})
	return who
}

// CheckRequest returns what is wrong with the name of a request. The name is logged, so that it must not name a person.
func CheckRequest(text string) error {
	switch {
	case text == "":
		return errors.New("request: name the request that this reading answers, such as a ticket")
	case looksLikeNumber(text):
		return errors.New("request: it looks like a telephone number: want a ticket, never a person")
	case store.CheckName(strings.ToLower(text)) != nil:
		return errors.New("request: want 1 to 32 letters, digits, _ and -: a ticket, never a person")
	}
	return nil
}

// aDate is a day of this century or the last one, which is no telephone number.
var aDate = regexp.MustCompile(`\b(19|20)\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])\b`)

// fewestDigits is how many digits the shortest telephone number has that names a subscriber.
const fewestDigits = 7

// looksLikeNumber reports whether text has so many digits with nothing between them but what numbers are written with,
// or begins as a number of E.164 does.
func looksLikeNumber(text string) bool {
	digits := 0
	for _, c := range aDate.ReplaceAllString(text, "date") {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case !strings.ContainsRune("-_. ()/+", c):
			digits = 0
		}
		if digits >= fewestDigits {
			return true
		}
	}
	return strings.HasPrefix(strings.TrimSpace(text), "+")
}
