package afpacket

import (
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// answer is what the kernel answers of links, with more attributes than we read, as rtnetlink(7) lays it out.
func answer(list ...link) (b []byte) {
	for _, l := range list {
		info := make([]byte, unix.SizeofIfInfomsg)
		binary.NativeEndian.PutUint32(info[4:], l.index)
		info = append(info, attribute(unix.IFLA_IFNAME, append([]byte(l.name), 0))...)
		info = append(info, attribute(unix.IFLA_MTU, number32(1500))...)
		if l.lower != 0 {
			info = append(info, attribute(unix.IFLA_LINK, number32(l.lower))...)
		}
		if l.master != 0 {
			info = append(info, attribute(unix.IFLA_MASTER, number32(l.master))...)
		}
		if l.kind != "" {
			kind := attribute(unix.IFLA_INFO_KIND, append([]byte(l.kind), 0))
			info = append(info, attribute(unix.IFLA_LINKINFO|unix.NLA_F_NESTED, kind)...)
		}
		b = binary.NativeEndian.AppendUint32(b, uint32(unix.SizeofNlMsghdr+len(info)))
		b = binary.NativeEndian.AppendUint16(b, unix.RTM_NEWLINK)
		b = append(b, make([]byte, unix.SizeofNlMsghdr-6)...)
		b = append(b, info...)
	}
	return b
}

func attribute(kind uint16, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	return append(b, make([]byte, -len(b)&3)...)
}

func number32(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

func TestInterfacesThatShowTheSameFramesAreFound(t *testing.T) {
	list, err := readLinks(answer(
		link{index: 1, name: "lo"},
		link{index: 2, name: "eth0"},
		link{index: 3, name: "eth0.100", kind: "vlan", lower: 2},
		link{index: 4, name: "eth0.200", kind: "vlan", lower: 2, master: 5},
		link{index: 5, name: "br0", kind: "bridge"},
		link{index: 6, name: "eth1", master: 8},
		link{index: 7, name: "eth2", master: 8},
		link{index: 8, name: "bond0", kind: "bond"},
		link{index: 9, name: "bond0.7", kind: "vlan", lower: 8},
		link{index: 10, name: "gre1", kind: "gre", lower: 2},
		link{index: 11, name: "tap0", master: 5},
	))
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct{ a, b, why string }{
		{"eth0", "eth0.100", "eth0.100 lies on eth0"},
		{"eth0.100", "eth0", "eth0.100 lies on eth0"},
		{"eth0.100", "eth0.200", ""},
		{"eth0", "br0", "eth0.200 lies on eth0 and eth0.200 is a member of br0"},
		{"eth0.200", "br0", "eth0.200 is a member of br0"},
		{"eth0.100", "br0", ""},
		{"eth1", "bond0", "eth1 is a member of bond0"},
		{"bond0", "eth2", "eth2 is a member of bond0"},
		{"eth1", "eth2", ""},
		{"eth1", "bond0.7", "eth1 is a member of bond0 and bond0.7 lies on bond0"},
		{"bond0", "bond0.7", "bond0.7 lies on bond0"},
		{"eth0", "gre1", ""}, // what it carries is wrapped on eth0
		{"tap0", "eth0.200", ""},
		{"eth0", "bond0", ""},
		{"lo", "eth0", ""},
		{"nowhere", "eth0", ""},
		{"eth0", "nowhere", ""},
	}
	for _, c := range cases {
		if why := list.overlap(c.a, c.b); why != c.why {
			t.Errorf("%s and %s: %q, want %q", c.a, c.b, why, c.why)
		}
	}
}

func TestPeerInAnotherNamespaceIsNoInterfaceOfOurs(t *testing.T) {
	abroad := attribute(unix.IFLA_LINK_NETNSID, number32(0))
	b := answer(link{index: 2, name: "eth0"}, link{index: 3, name: "veth0", kind: "veth", lower: 2})
	last := len(answer(link{index: 2, name: "eth0"}))
	b = append(b, abroad...)
	binary.NativeEndian.PutUint32(b[last:], uint32(len(b)-last))
	list, err := readLinks(b)
	if err != nil || len(list) != 2 || list[1].lower != 0 {
		t.Errorf("links = %+v, %v, want two that have nothing to do with each other", list, err)
	}
}

// FuzzLinksAreReadOrRefused holds that an answer that is cut or spoiled yields no link that was not sent.
func FuzzLinksAreReadOrRefused(f *testing.F) {
	f.Add(answer(link{index: 2, name: "eth0"}, link{index: 3, name: "eth0.1", kind: "vlan", lower: 2}), uint16(40))
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		whole, err := readLinks(b)
		part, _ := readLinks(b[:min(int(cut), len(b))])
		if err != nil {
			return
		}
		for i, l := range part {
			if i >= len(whole) || l != whole[i] {
				t.Errorf("link %d of the part = %+v, which is not in the whole", i, l)
			}
		}
	})
}

func TestOverlapsAreAskedOfTheKernel(t *testing.T) {
	namespace(t)
	if err := Overlaps([]string{"lo", "near", "nowhere"}); err != nil {
		t.Errorf("apart: %v", err)
	}
	refused(t, []string{"near", "lo", "near"}, "near is listed twice")
	refused(t, []string{"near", "far"}, "near and far show the same frames, for near lies on far: list one of them")
	ip(t, "link add bridge type bridge")
	ip(t, "link set far master bridge")
	refused(t, []string{"bridge", "far"}, "bridge and far show the same frames, for far is a member of bridge")
	ip(t, "link add link near name upper type macvlan")
	refused(t, []string{"upper", "near"}, "upper and near show the same frames, for upper lies on near")
}

func refused(t *testing.T, names []string, want string) {
	t.Helper()
	if err := Overlaps(names); err == nil || !strings.HasPrefix(err.Error(), "afpacket: "+want) {
		t.Errorf("%s: %v, want %q", names, err, want)
	}
}

// TestRecordedAnswerIsRead reads the answer of a kernel about a bridge with a port, a pair and a macvlan.
func TestRecordedAnswerIsRead(t *testing.T) {
	b, err := os.ReadFile("testdata/getlink.bin")
	if err != nil {
		t.Fatal(err)
	}
	list, err := readLinks(b)
	want := links{
		{name: "lo", index: 1},
		{name: "far", kind: "veth", index: 2, lower: 3, master: 4},
		{name: "near", kind: "veth", index: 3, lower: 2},
		{name: "bridge", kind: "bridge", index: 4},
		{name: "upper", kind: "macvlan", index: 5, lower: 3},
	}
	if err != nil || len(list) != len(want) {
		t.Fatalf("links = %+v, %v", list, err)
	}
	for i, l := range list {
		if l != want[i] {
			t.Errorf("link %d = %+v, want %+v", i, l, want[i])
		}
	}
}
