package main

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"

	"sipsieve/capture"
	"sipsieve/cmd/sipsieve/ledger"
)

// A finding is what can be wrong with what is looked at, a source or all of them together.
type finding[T any] struct {
	name   string
	test   func(T) bool
	words  func(T) string
	remedy func(T) []string // lines of the configuration that mend it; nil without any
}

// few is how many messages tell nothing of what is usual.
const few = 10

// sourceFindings are what can be wrong with one source, in the order in which they are told.
var sourceFindings = []finding[*examined]{
	{"broken", func(x *examined) bool { return len(x.broken) > 0 }, (*examined).brokenWords, nil},
	{"unreached", func(x *examined) bool { return x.unreached != "" }, func(x *examined) string {
		return x.unreached + ": nothing can be seen on it; run waits for it and reads what else is configured"
	}, nil},
	{"interrupted", func(x *examined) bool { return x.downs > 0 && x.unreached == "" }, func(x *examined) string {
		return fmt.Sprintf("the interface went down, lost its carrier or was removed %d times: what was sent meanwhile is "+
			"missing", x.downs)
	}, nil},
	{"silent", (*examined).silent, (*examined).silentWords, (*examined).promiscuousLines},
	{"no_sip", func(x *examined) bool {
		return x.ledger.Packets.Seen > 0 && x.seen.messages == 0 && x.encrypted() == 0
	},
		func(x *examined) string {
			return fmt.Sprintf("none of %d frames carries SIP (%s)", x.ledger.Packets.Seen, x.ledger.Packets.Refused.Words())
		}, (*examined).promiscuousLines},
	{"tunnels", func(x *examined) bool { return x.seen.inside != [capture.Encapsulations]uint64{} },
		(*examined).tunnelWords, (*examined).tunnelLines},
	{"ports", func(x *examined) bool { return len(x.seen.strangePorts) > 0 },
		(*examined).portWords, (*examined).portLines},
	{"feed_in_file", func(x *examined) bool { return x.seen.hep > 0 && !x.HEP && x.isFile() }, func(x *examined) string {
		return fmt.Sprintf("%d payloads are packets of a HEP feed, and what they carry is not read", x.seen.hep)
	}, func(*examined) []string { return []string{"hep = true"} }},
	{"encrypted", func(x *examined) bool { return x.encrypted() > 0 }, (*examined).encryptedWords, nil},
	{"deflated", func(x *examined) bool { return x.ledger.Streams.Deflated > 0 }, func(x *examined) string {
		return fmt.Sprintf("%d WebSocket messages are compressed and cannot be read: turn permessage-deflate off "+
			"where WebSocket ends", x.ledger.Streams.Deflated)
	}, nil},
	{"one_sided", func(x *examined) bool { return len(x.oneSided()) > 0 },
		(*examined).oneSidedWords, (*examined).promiscuousLines},
	{"twins", func(x *examined) bool { return 100*x.seen.twins > x.seen.messages },
		(*examined).twinWords, (*examined).vlanLines},
	{"skewed", func(x *examined) bool { return x.stamps.skewed > 0 }, (*examined).skewedWords, nil},
	{"steps", func(x *examined) bool { return x.seen.steps > 0 }, func(x *examined) string {
		return fmt.Sprintf("the clock of this host was set %d times: lengths of calls that went on then are not sure",
			x.seen.steps)
	}, nil},
	{"undated", func(x *examined) bool { return x.ledger.Packets.Undated > 0 }, func(x *examined) string {
		return fmt.Sprintf("%d frames have no time that can be believed; they got that of the frame before",
			x.ledger.Packets.Undated)
	}, nil},
	{"stray", func(x *examined) bool { return x.ledger.Packets.Stray > 0 }, func(x *examined) string {
		return fmt.Sprintf("%d frames bore a time that is minutes away from those around, and got that of the frame before: "+
			"see the clocks of who captured them", x.ledger.Packets.Stray)
	}, nil},
	{"disorder", func(x *examined) bool { return x.ledger.Packets.Late > 0 }, func(x *examined) string {
		return fmt.Sprintf("%d frames stand more than a second behind a later one: put the file in order (reordercap), or "+
			"capture each interface into a file of its own", x.ledger.Packets.Late)
	}, nil},
	{"kernel", func(x *examined) bool { return x.ledger.Packets.KernelDropped > 0 || x.stamps.freezes > 0 },
		(*examined).kernelWords, (*examined).ringLines},
	{"queue", func(x *examined) bool { return x.refused(capture.QueueFull) > 0 }, func(x *examined) string {
		return fmt.Sprintf("%d packets of the feed found its queue full: this host is too slow for it",
			x.refused(capture.QueueFull))
	}, nil},
	{"insecure", func(x *examined) bool { return x.Type == "hep" && x.Insecure }, func(*examined) string {
		return "insecure is set: any user who can reach the feed can forge calls and registrations"
	}, func(*examined) []string {
		return []string{"key_file = \"/etc/sipsieve/hep.key\" # mode 0600; its first line is the key of the senders"}
	}},
	{"refused_feed", func(x *examined) bool { return x.refused(refusedFeed...) > 0 }, (*examined).refusedFeedWords, nil},
	{"fragments", func(x *examined) bool { return x.lost(lostFragments...) > 0 }, func(x *examined) string {
		return fmt.Sprintf("%d fragments came to nothing, for the rest of their datagrams did not come (%s): see that "+
			"the mirror passes on fragments, and lets those of one datagram go one way", x.lost(lostFragments...),
			only(x.ledger.Packets.Lost, lostFragments).Words())
	}, nil},
	{"gaps", func(x *examined) bool { return x.lost(lostStreams...) > 0 }, func(x *examined) string {
		return fmt.Sprintf("%d holes in TCP streams: segments were lost on their way here, not on their way there (%s)",
			x.lost(lostStreams...), only(x.ledger.Packets.Lost, lostStreams).Words())
	}, nil},
	{"cut", func(x *examined) bool { return x.seen.cut > 0 }, func(x *examined) string {
		return fmt.Sprintf("%d payloads are cut: capture whole frames (tcpdump -s 0), or have the mirror send them whole",
			x.seen.cut)
	}, nil},
	{"links", func(x *examined) bool { return x.refused(capture.LinkType) > 0 }, func(x *examined) string {
		return fmt.Sprintf("%d frames are of a link layer that is not read: capture on the wire, not in the air",
			x.refused(capture.LinkType))
	}, nil},
	{"parts", func(x *examined) bool { return x.refused(capture.MessagePart) > 0 }, func(x *examined) string {
		return fmt.Sprintf("%d parts of SCTP messages are not put together", x.refused(capture.MessagePart))
	}, nil},
}

var (
	lostFragments = []capture.Reason{capture.FragmentEvicted, capture.FragmentExpired, capture.FragmentOverlap,
		capture.FragmentInvalid}
	lostStreams = []capture.Reason{capture.StreamGap, capture.StreamEvicted}
	refusedFeed = []capture.Reason{capture.HEPSource, capture.HEPKey, capture.HEPType, capture.HEPCompressed}
)

func (x *examined) isFile() bool { return x.Type == "file" || x.Type == "directory" }

func (x *examined) silent() bool {
	return len(x.broken) == 0 && x.unreached == "" && x.ledger.Packets.Seen+x.ledger.Packets.KernelDropped == 0
}

func (x *examined) refused(list ...capture.Reason) uint64 {
	return only(x.ledger.Packets.Refused, list).Total()
}
func (x *examined) lost(list ...capture.Reason) uint64 {
	return only(x.ledger.Packets.Lost, list).Total()
}

// encrypted returns how many directions of connections, and datagrams, were TLS and DTLS.
func (x *examined) encrypted() uint64 { return x.ledger.Streams.TLS + x.ledger.Streams.DTLS }

// only returns what of s was counted under those reasons.
func only(s ledger.Sums, list []capture.Reason) ledger.Sums {
	some := ledger.Sums{}
	for _, r := range list {
		some.Add(r.String(), s[r.String()])
	}
	return some
}

// mostErrors is how many errors of one source are told.
const mostErrors = 5

func (x *examined) brokenWords() string {
	var list []string
	for _, err := range x.broken[:min(len(x.broken), mostErrors)] {
		list = append(list, err.Error())
	}
	words := "not all of it could be read: " + strings.Join(list, "; ")
	if n := len(x.broken) - mostErrors; n > 0 {
		words += fmt.Sprintf("; and %d more", n)
	}
	return words
}

func (x *examined) silentWords() string {
	switch x.Type {
	case "interface":
		return "no frame came on " + x.lookedAt() +
			": see that it is the right one, and that the mirror that leads to it is on"
	case "hep":
		return "no packet came: see that the switch sends its feed here"
	case "directory":
		return "no file of the folder that is finished matches the pattern, or none has a frame"
	}
	return "the file has no frame"
}

// lookedAt names the ports that were looked at on an interface.
func (x *examined) lookedAt() string { return "ports " + strings.Join(x.wide().Ports, ", ") }

func (x *examined) promiscuousLines() []string {
	if x.Type != "interface" || x.Promiscuous {
		return nil
	}
	return []string{"promiscuous = true # for a mirror port: frames that are addressed to others"}
}

func (x *examined) tunnelWords() string {
	var list []string
	for e, n := range x.seen.inside {
		if n > 0 {
			list = append(list, fmt.Sprintf("%d in %s", n, capture.Encapsulation(e)))
		}
	}
	return fmt.Sprintf("of %d SIP messages, at least these came in tunnels that are not configured, and are not seen: %s",
		x.seen.messages, strings.Join(list, ", "))
}

func (x *examined) tunnelLines() []string {
	list := slices.Clone(x.Tunnels)
	for e, n := range x.seen.inside {
		if n > 0 {
			list = append(list, capture.Encapsulation(e).String())
		}
	}
	return []string{"tunnels = " + quoted(list)}
}

// quoted returns an array of TOML.
func quoted(list []string) string {
	var out []string
	for _, one := range list {
		out = append(out, fmt.Sprintf("%q", one))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// mostPorts is how many ports a remedy names.
const mostPorts = 8

func (x *examined) portWords() string {
	n := uint64(0)
	for _, m := range x.seen.strangePorts {
		n += m
	}
	words := fmt.Sprintf("%d of %d SIP messages are on ports that are not configured, and are not seen", n,
		x.seen.messages)
	if x.Type == "interface" {
		words += " (looked at: " + x.lookedAt() + ")"
	}
	return words
}

func (x *examined) portLines() []string {
	list := x.configuredPorts()
	for _, port := range x.seen.strangePorts.cover(mostPorts) {
		list = append(list, fmt.Sprint(port))
	}
	return []string{"ports = " + quoted(list)}
}

func (x *examined) encryptedWords() string {
	s := x.ledger.Streams
	opaque, all := x.refused(capture.Opaque), x.seen.payloads.Total()
	return fmt.Sprintf("%s of the payloads (%d of %d) are encrypted and cannot be read: TLS in %d directions of "+
		"connections, DTLS in %d datagrams; what they carry only who decrypts it can tell, by a HEP feed",
		percent(opaque, all), opaque, all, s.TLS, s.DTLS)
}

func percent(n, of uint64) string { return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(max(of, 1))) }

// oneSided says of each transport on which one side only is seen what is.
func (x *examined) oneSided() (list []string) {
	for _, name := range x.seen.transports() {
		requests, responses := x.seen.requests[name], x.seen.responses[name]
		n, all := x.seen.ways.oneWay(name)
		switch {
		case requests+responses < few:
		case responses == 0:
			list = append(list, fmt.Sprintf("over %s %d requests and no response", name, requests))
		case requests == 0:
			list = append(list, fmt.Sprintf("over %s %d responses and no request", name, responses))
		case 2*n > all:
			list = append(list, fmt.Sprintf("over %s %s of the messages between hosts of which one alone is heard", name,
				percent(n, all)))
		}
	}
	return list
}

func (x *examined) oneSidedWords() string {
	return "one side only is seen: " + strings.Join(x.oneSided(), "; ") +
		": mirror both directions, and listen to both ways if they differ"
}

func (x *examined) twinWords() string {
	words := fmt.Sprintf("%d of %d messages were seen twice", x.seen.twins, x.seen.messages)
	if x.seen.vlanTwins > 0 {
		return words + fmt.Sprintf(", %d of them in two VLANs", x.seen.vlanTwins) +
			": they count once, but cost twice; keep one of these"
	}
	return words +
		": they count once, but cost twice; mirror each frame where it comes in only, not where it goes out too"
}

// vlanLines offers one of the VLANs in which the same messages were seen.
func (x *examined) vlanLines() (lines []string) {
	if x.Type != "interface" {
		return nil
	}
	for _, vlan := range slices.Sorted(maps.Keys(x.seen.vlans)) {
		line := fmt.Sprintf("vlans = [%d]", vlan)
		if vlan == 0 {
			line += " # those without a tag"
		}
		lines = append(lines, line)
	}
	return lines
}

func (x *examined) skewedWords() string {
	if x.Type == "hep" {
		c, _ := x.Feed()
		return fmt.Sprintf("%d packets bore a time that is more than %s off, or none that can be, and got that of their "+
			"arrival: set the clock of the switch (NTP)", x.stamps.skewed, c.Skew)
	}
	return fmt.Sprintf("%d frames bore a time that is more than a minute off, and got that of their arrival: see the "+
		"clock of this host or of its network card (chrony, PTP)", x.stamps.skewed)
}

func (x *examined) kernelWords() string {
	n := x.ledger.Packets.KernelDropped
	if x.isFile() {
		return fmt.Sprintf("whoever captured the files lost %d frames, as they say themselves", n)
	}
	return fmt.Sprintf("the kernel had no room for %d frames (%s), and found the ring full %d times", n,
		percent(n, n+x.ledger.Packets.Seen), x.stamps.freezes)
}

// largestRing is as much memory as a remedy proposes.
const largestRing = 1024

// ringLines doubles the ring, and the readers where there are processors for them.
func (x *examined) ringLines() (lines []string) {
	if x.Type != "interface" {
		return nil
	}
	c, _ := x.Rings(0)
	if size := 2 * c.Blocks * c.BlockSize >> 20; size <= largestRing {
		lines = append(lines, fmt.Sprintf("ring = \"%dMiB\"", size))
	}
	if n := max(x.Fanout, 1); n < runtime.GOMAXPROCS(0) {
		lines = append(lines, fmt.Sprintf("fanout = %d", min(2*n, runtime.GOMAXPROCS(0))))
	}
	return lines
}

func (x *examined) refusedFeedWords() string {
	list := only(x.ledger.Packets.Refused, refusedFeed)
	return fmt.Sprintf("%d packets of the feed were refused (%s): hep_source is a sender that allow does not name, "+
		"hep_auth the key of key_file, hep_type something else than SIP", list.Total(), list.Words())
}
