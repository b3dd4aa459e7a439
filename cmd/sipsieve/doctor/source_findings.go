package doctor

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"

	"sipsieve/capture"
)

// fewMessages is the number of messages below which one direction alone is no finding.
const fewMessages = 10

// sourceFindings are the faults of one source, in the order of the report.
var sourceFindings = []finding[*examined]{
	{"broken", func(x *examined) bool { return len(x.broken) > 0 }, brokenWords, nil},
	{"unreached", func(x *examined) bool { return x.unreached != "" }, func(x *examined) string {
		return x.unreached + ": nothing can be captured on it; run waits for it and reads the other sources"
	}, nil},
	{"interrupted", func(x *examined) bool { return x.downs > 0 && x.unreached == "" }, func(x *examined) string {
		return fmt.Sprintf("the interface went down, lost its carrier or was removed %d times: packets that were sent "+
			"meanwhile are missing", x.downs)
	}, nil},
	{"silent", (*examined).silent, silentWords, promiscuousLines},
	{"no_sip", func(x *examined) bool {
		return x.ledger.Packets.Seen > 0 && x.seen.messages == 0 && x.encrypted() == 0
	}, func(x *examined) string {
		return fmt.Sprintf("none of %d frames carries SIP (%s)", x.ledger.Packets.Seen, x.ledger.Packets.Refused.Words())
	}, promiscuousLines},
	{"tunnels", func(x *examined) bool { return x.seen.inside != [capture.Encapsulations]uint64{} },
		tunnelWords, tunnelLines},
	{"ports", func(x *examined) bool { return len(x.seen.otherPorts) > 0 }, portWords, portLines},
	{"feed_in_file", func(x *examined) bool { return x.seen.hep > 0 && !x.HEP && x.isFile() }, func(x *examined) string {
		return fmt.Sprintf("%d payloads are HEP packets, and what they carry is not decoded", x.seen.hep)
	}, func(*examined) []string { return []string{"hep = true"} }},
	{"encrypted", func(x *examined) bool { return x.encrypted() > 0 }, encryptedWords, nil},
	{"deflated", func(x *examined) bool { return x.ledger.Streams.Deflated > 0 }, func(x *examined) string {
		return fmt.Sprintf("%d WebSocket messages are compressed and cannot be read: disable permessage-deflate at the "+
			"WebSocket server", x.ledger.Streams.Deflated)
	}, nil},
	{"one_sided", func(x *examined) bool { return len(oneSided(x)) > 0 }, oneSidedWords, promiscuousLines},
	{"duplicates", func(x *examined) bool { return 100*x.seen.duplicates > x.seen.messages }, duplicateWords, vlanLines},
	{"skewed", func(x *examined) bool { return x.stamps.skewed > 0 }, skewedWords, nil},
	{"steps", func(x *examined) bool { return x.seen.steps > 0 }, func(x *examined) string {
		return fmt.Sprintf("the clock of this host was set %d times: the durations of calls that were open then are uncertain",
			x.seen.steps)
	}, nil},
	{"undated", func(x *examined) bool { return x.ledger.Packets.Undated > 0 }, func(x *examined) string {
		return fmt.Sprintf("%d frames have no valid timestamp and were given that of the frame before",
			x.ledger.Packets.Undated)
	}, nil},
	{"stray", func(x *examined) bool { return x.ledger.Packets.Stray > 0 }, func(x *examined) string {
		return fmt.Sprintf("%d frames had a timestamp that is minutes away from those around them and were given that of "+
			"the frame before: check the clock of the host that captured them", x.ledger.Packets.Stray)
	}, nil},
	{"disorder", func(x *examined) bool { return x.ledger.Packets.Late > 0 }, func(x *examined) string {
		return fmt.Sprintf("%d frames stand more than a second behind a later one: sort the file (reordercap), or capture "+
			"each interface to a file of its own", x.ledger.Packets.Late)
	}, nil},
	{"kernel", func(x *examined) bool { return x.ledger.Packets.KernelDropped > 0 || x.stamps.freezes > 0 },
		kernelWords, ringLines},
	{"queue", func(x *examined) bool { return x.refused(capture.QueueFull) > 0 }, func(x *examined) string {
		return fmt.Sprintf("%d packets of the feed were dropped because its queue was full: this host is too slow for it",
			x.refused(capture.QueueFull))
	}, nil},
	{"insecure", func(x *examined) bool { return x.Type == "hep" && x.Insecure }, func(*examined) string {
		return "insecure is set: any user who can reach the feed can forge calls and registrations"
	}, func(*examined) []string {
		return []string{"key_file = \"/etc/sipsieve/hep.key\" # mode 0600; its first line is the key of the senders"}
	}},
	{"refused_feed", func(x *examined) bool { return x.refused(refusedFeed...) > 0 }, func(x *examined) string {
		list := only(x.ledger.Packets.Refused, refusedFeed)
		return fmt.Sprintf("%d packets of the feed were refused (%s): hep_source is a sender that allow does not have, "+
			"hep_auth a key that is not that of key_file, hep_type a payload that is not SIP", list.Total(), list.Words())
	}, nil},
	{"fragments", func(x *examined) bool { return x.lost(lostFragments...) > 0 }, func(x *examined) string {
		return fmt.Sprintf("%d fragments were dropped because the rest of their datagrams did not come (%s): the mirror "+
			"must pass fragments, and those of one datagram on one path", x.lost(lostFragments...),
			only(x.ledger.Packets.Lost, lostFragments).Words())
	}, nil},
	{"gaps", func(x *examined) bool { return x.lost(lostStreams...) > 0 }, func(x *examined) string {
		return fmt.Sprintf("%d gaps in TCP streams: the receiver got the segments, but they were lost on the way here (%s)",
			x.lost(lostStreams...), only(x.ledger.Packets.Lost, lostStreams).Words())
	}, nil},
	{"cut", func(x *examined) bool { return x.seen.cut > 0 }, func(x *examined) string {
		return fmt.Sprintf("%d payloads are truncated: capture whole frames (tcpdump -s 0), or have the mirror send whole "+
			"frames", x.seen.cut)
	}, nil},
	{"links", func(x *examined) bool { return x.refused(capture.LinkType) > 0 }, func(x *examined) string {
		return fmt.Sprintf("%d frames have a link layer that is not decoded, such as that of Wi-Fi: capture on a wire",
			x.refused(capture.LinkType))
	}, nil},
	{"parts", func(x *examined) bool { return x.refused(capture.MessagePart) > 0 }, func(x *examined) string {
		return fmt.Sprintf("%d parts of SCTP messages are not reassembled", x.refused(capture.MessagePart))
	}, nil},
}

var (
	lostFragments = []capture.Reason{capture.FragmentEvicted, capture.FragmentExpired, capture.FragmentOverlap,
		capture.FragmentInvalid}
	lostStreams = []capture.Reason{capture.StreamGap, capture.StreamEvicted}
	refusedFeed = []capture.Reason{capture.HEPSource, capture.HEPKey, capture.HEPType, capture.HEPCompressed}
)

// mostErrors is how many errors of one source a report has.
const mostErrors = 5

func brokenWords(x *examined) string {
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

func silentWords(x *examined) string {
	switch x.Type {
	case "interface":
		return "no frame came on " + portsRead(x) + ": check that it is the right interface and that its mirror is on"
	case "hep":
		return "no packet came: check that the switch sends its feed here"
	case "directory":
		return "no file of the folder that is finished matches the pattern, or none has a frame"
	}
	return "the file has no frame"
}

// portsRead names the ports that were read on an interface.
func portsRead(x *examined) string { return "ports " + strings.Join(x.wide().Ports, ", ") }

func promiscuousLines(x *examined) []string {
	if x.Type != "interface" || x.Promiscuous {
		return nil
	}
	return []string{"promiscuous = true # for a mirror port: also frames that are addressed to other hosts"}
}

func tunnelWords(x *examined) string {
	var list []string
	for e, n := range x.seen.inside {
		if n > 0 {
			list = append(list, fmt.Sprintf("%d in %s", n, capture.Encapsulation(e)))
		}
	}
	return fmt.Sprintf("of %d SIP messages, at least these came in tunnels that are not configured, and run does not "+
		"read them: %s", x.seen.messages, strings.Join(list, ", "))
}

func tunnelLines(x *examined) []string {
	list := slices.Clone(x.Tunnels)
	for e, n := range x.seen.inside {
		if n > 0 {
			list = append(list, capture.Encapsulation(e).String())
		}
	}
	return []string{"tunnels = " + tomlArray(list)}
}

// tomlArray returns an array of TOML.
func tomlArray(list []string) string {
	var out []string
	for _, one := range list {
		out = append(out, fmt.Sprintf("%q", one))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// mostPorts is how many ports a remedy proposes.
const mostPorts = 8

func portWords(x *examined) string {
	n := uint64(0)
	for _, m := range x.seen.otherPorts {
		n += m
	}
	words := fmt.Sprintf("%d of %d SIP messages are on ports that are not configured, and run does not read them", n,
		x.seen.messages)
	if x.Type == "interface" {
		words += " (examined: " + portsRead(x) + ")"
	}
	return words
}

func portLines(x *examined) []string {
	list := x.configuredPorts()
	for _, port := range x.seen.otherPorts.cover(mostPorts) {
		list = append(list, fmt.Sprint(port))
	}
	return []string{"ports = " + tomlArray(list)}
}

func encryptedWords(x *examined) string {
	s := x.ledger.Streams
	opaque, all := x.refused(capture.Opaque), x.seen.payloads.Total()
	return fmt.Sprintf("%s of the payloads (%d of %d) are encrypted and cannot be read: TLS in %d directions of "+
		"connections, DTLS in %d datagrams; the host that decrypts them can send their content by a HEP feed",
		percent(opaque, all), opaque, all, s.TLS, s.DTLS)
}

// oneSided describes each transport of which one direction only is captured.
func oneSided(x *examined) (list []string) {
	for _, name := range x.seen.transports() {
		requests, responses := x.seen.requests[name], x.seen.responses[name]
		n, all := x.seen.directions.oneWay(name)
		switch {
		case requests+responses < fewMessages:
		case responses == 0:
			list = append(list, fmt.Sprintf("over %s %d requests and no response", name, requests))
		case requests == 0:
			list = append(list, fmt.Sprintf("over %s %d responses and no request", name, responses))
		case 2*n > all:
			list = append(list, fmt.Sprintf("over %s %s of the messages are between two hosts of which only one sends",
				name, percent(n, all)))
		}
	}
	return list
}

func oneSidedWords(x *examined) string {
	return "one direction only is captured: " + strings.Join(oneSided(x), "; ") +
		": mirror both directions, and capture on both paths if they differ"
}

func duplicateWords(x *examined) string {
	words := fmt.Sprintf("%d of %d messages were captured twice", x.seen.duplicates, x.seen.messages)
	if x.seen.vlanDuplicates > 0 {
		return words + fmt.Sprintf(", %d of them in two VLANs: they count once but cost twice; capture one of the VLANs",
			x.seen.vlanDuplicates)
	}
	return words + ": they count once but cost twice; mirror each frame at ingress only, not at egress too"
}

// vlanLines proposes each of the VLANs in which the same messages were captured.
func vlanLines(x *examined) (lines []string) {
	if x.Type != "interface" {
		return nil
	}
	for _, vlan := range slices.Sorted(maps.Keys(x.seen.vlans)) {
		line := fmt.Sprintf("vlans = [%d]", vlan)
		if vlan == 0 {
			line += " # frames without a tag"
		}
		lines = append(lines, line)
	}
	return lines
}

func skewedWords(x *examined) string {
	if x.Type == "hep" {
		c, _ := x.Feed()
		return fmt.Sprintf("%d packets had a timestamp that is more than %s off or not valid, and were given the time of "+
			"their arrival: synchronise the clock of the switch (NTP)", x.stamps.skewed, c.Skew)
	}
	return fmt.Sprintf("%d frames had a timestamp that is more than a minute off, and were given the time of their "+
		"arrival: check the clock of this host or of its network card (chrony, PTP)", x.stamps.skewed)
}

func kernelWords(x *examined) string {
	n := x.ledger.Packets.KernelDropped
	if x.isFile() {
		return fmt.Sprintf("by the counts in the files, %d frames were dropped during the capture", n)
	}
	return fmt.Sprintf("the kernel dropped %d frames (%s) and found the ring full %d times", n,
		percent(n, n+x.ledger.Packets.Seen), x.stamps.freezes)
}

// largestRing is the largest ring that a remedy proposes, in MiB.
const largestRing = 1024

// ringLines proposes a ring of twice the size, and twice the readers where there are processors for them.
func ringLines(x *examined) (lines []string) {
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
