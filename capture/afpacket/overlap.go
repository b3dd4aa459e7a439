package afpacket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Overlaps returns an error for every two of the interfaces that show the same frames: a parent and its VLAN, a bridge
// and its port, a bond and its member, the two ends of one veth pair, and what follows from these; or one that is
// listed twice. A capture on both would have each packet twice. It needs no capability.
func Overlaps(names []string) error {
	answer, err := syscall.NetlinkRIB(unix.RTM_GETLINK, unix.AF_UNSPEC)
	if err != nil {
		return fmt.Errorf("afpacket: list interfaces: %w", err)
	}
	list, err := readLinks(answer)
	if err != nil {
		return fmt.Errorf("afpacket: list interfaces: %w", err)
	}
	var errs []error
	for i, a := range names {
		for _, b := range names[:i] {
			if a == b {
				errs = append(errs, fmt.Errorf("afpacket: %s is listed twice", a))
			} else if why := list.overlap(b, a); why != "" {
				errs = append(errs, fmt.Errorf("afpacket: %s and %s show the same frames, for %s: list one of them", b, a, why))
			}
		}
	}
	return errors.Join(errs...)
}

// A link is one interface as rtnetlink(7) describes it.
type link struct {
	name, kind           string
	index, lower, master uint32 // lower is what it lies on, master what it is a member of; 0 for nothing
}

type links []link

// readLinks reads the answer to RTM_GETLINK, rtnetlink(7).
func readLinks(answer []byte) (list links, err error) {
	messages, err := syscall.ParseNetlinkMessage(answer)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		if m.Header.Type == unix.RTM_NEWLINK && len(m.Data) >= unix.SizeofIfInfomsg {
			list = append(list, readLink(m.Data))
		}
	}
	return list, nil
}

func readLink(b []byte) link {
	l := link{index: binary.NativeEndian.Uint32(b[4:])}
	foreign := false // its lower interface is in another network namespace
	for kind, value := range attributes(b[unix.SizeofIfInfomsg:]) {
		switch {
		case kind == unix.IFLA_IFNAME:
			l.name = string(bytes.TrimRight(value, "\x00"))
		case kind == unix.IFLA_LINK && len(value) >= 4:
			l.lower = binary.NativeEndian.Uint32(value)
		case kind == unix.IFLA_MASTER && len(value) >= 4:
			l.master = binary.NativeEndian.Uint32(value)
		case kind == unix.IFLA_LINK_NETNSID:
			foreign = true
		case kind == unix.IFLA_LINKINFO:
			l.kind = kindOf(value)
		}
	}
	// An IP tunnel lies on an interface, too, but what it shows is not what its carrier shows.
	plain := []string{"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "veth", "dsa"}
	if foreign || l.lower == l.index || !slices.Contains(plain, l.kind) {
		l.lower = 0
	}
	return l
}

// kindOf returns the kind of a link, such as vlan; "" for hardware.
func kindOf(linkInfo []byte) string {
	for kind, value := range attributes(linkInfo) {
		if kind == unix.IFLA_INFO_KIND {
			return string(bytes.TrimRight(value, "\x00"))
		}
	}
	return ""
}

// attributes yields the type and value of each netlink attribute in b, netlink(7).
func attributes(b []byte) func(yield func(uint16, []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= 4 {
			n := int(binary.NativeEndian.Uint16(b))
			kind := binary.NativeEndian.Uint16(b[2:]) &^ unix.NLA_F_NESTED
			if n < 4 || n > len(b) || !yield(kind, b[4:n]) {
				return
			}
			b = b[min((n+3)&^3, len(b)):]
		}
	}
}

// How the search came to an interface.
const (
	byName     = iota
	fromMember // a bridge's port, a bond's member
	fromUpper  // a VLAN on it
	fromAbove
)

// A visit is an interface that the search came to, and why the frames of the first one pass it too.
type visit struct {
	link, previous int // in links
	how            int
	why            []string
}

// overlap returns why frames of a are frames of b, too, "" if they are not. Two VLANs of one interface have no frame
// in common, nor do, as a rule, two ports of a bridge.
func (list links) overlap(a, b string) string {
	from := slices.IndexFunc(list, func(l link) bool { return l.name == a })
	if from < 0 {
		return ""
	}
	seen := make(map[[3]int]bool)
	for todo := []visit{{link: from, previous: from}}; len(todo) > 0; todo = todo[1:] {
		s := todo[0]
		if list[s.link].name == b {
			return strings.Join(s.why, " and ")
		}
		if !seen[[3]int{s.link, s.previous, s.how}] {
			seen[[3]int{s.link, s.previous, s.how}] = true
			todo = append(todo, list.steps(s)...)
		}
	}
	return ""
}

// steps returns the interfaces next to s, without the one before it.
func (list links) steps(s visit) (next []visit) {
	here := list[s.link]
	for i, there := range list {
		step := func(may bool, how int, why string) {
			if may && i != s.previous {
				next = append(next, visit{i, s.link, how, append(slices.Clone(s.why), why)})
			}
		}
		step(here.memberOf(there), fromMember, here.name+" is a member of "+there.name)
		step(here.liesOn(there), fromUpper, here.name+" lies on "+there.name)
		step(there.memberOf(here) && s.how != fromMember, fromAbove, there.name+" is a member of "+here.name)
		step(there.liesOn(here) && s.how != fromUpper, fromAbove, there.name+" lies on "+here.name)
	}
	return next
}

func (l link) memberOf(o link) bool { return l.master != 0 && l.master == o.index }
func (l link) liesOn(o link) bool   { return l.lower != 0 && l.lower == o.index }
