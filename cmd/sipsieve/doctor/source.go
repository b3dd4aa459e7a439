package doctor

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"sipsieve/capture"
	"sipsieve/capture/afpacket"
	"sipsieve/capture/hep"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/source"
)

// usualPorts are the ports that are read on an interface besides the configured ones: 5060 and the ports that are
// usual in its place, and those of Asterisk and FreeSWITCH for a second SIP stack and for WebSocket.
var usualPorts = []string{"5060-5099", "5160-5161", "8088-8089"}

// An examined is one source of the configuration and what was counted on it.
type examined struct {
	*config.Source
	number int
	opened int            // files, or rings
	ledger *ledger.Ledger // of its packets and messages
	seen   observation
	stamps stamps
	broken []error // what could not be opened, or ended with an error

	unreached string // why nothing could be captured at the end; "" if something could
	downs     uint64 // times that its interface went down, lost its carrier or was removed
}

// stamps are counts of a source about its timestamps and its ring.
type stamps struct{ skewed, unstamped, freezes uint64 }

// newExamined returns the source s, which has that number in the configuration.
func newExamined(s *config.Source, number int) *examined {
	return &examined{Source: s, number: number, ledger: ledger.New(), seen: newObservation()}
}

// key returns the key of x in the configuration.
func (x *examined) key() string { return config.SourceKey(x.number) }

// streamBase returns the first number of the TCP streams of x: those of two sources differ.
func (x *examined) streamBase() uint64 { return uint64(x.number) << 56 }

// isFile reports whether x reads capture files.
func (x *examined) isFile() bool { return x.Type == "file" || x.Type == "directory" }

// wide returns x as it is examined: with every tunnel, and with more ports than are configured.
func (x *examined) wide() *config.Source {
	w := *x.Source
	w.Tunnels = nil
	for e := capture.MPLS; e < capture.Encapsulations; e++ {
		w.Tunnels = append(w.Tunnels, e.String())
	}
	if w.Ports = nil; w.Type == "interface" {
		w.Ports = append(x.configuredPorts(), usualPorts...)
	}
	return &w
}

// configuredPorts returns the ports that the daemon reads, none if it reads every port.
func (x *examined) configuredPorts() []string { return slices.Clone(x.PortNames()) }

// openLive opens an interface or a feed.
func (x *examined) openLive() (list []*tap) {
	all, err := source.Open(x.wide(), x.streamBase())
	if err != nil {
		x.broken = append(x.broken, err)
	}
	for _, s := range all {
		list = append(list, x.tap(s))
	}
	return list
}

// tap returns a tap on s, which was opened for x.
func (x *examined) tap(s capture.Source) *tap {
	x.opened++
	ports, _ := x.PortRanges()
	tunnels, _ := x.TunnelSet()
	t := newTap(s, ports, capture.EveryTunnel&^tunnels)
	t.of = x
	return t
}

// add adds the counts of t, which has ended.
func (x *examined) add(t *tap) {
	x.seen.add(&t.seen)
	x.ledger.Packets.AddDrops(t.Drops())
	x.ledger.AddReader(t.sip.Counts())
	x.ledger.Packets.AddFrames(t.Source)
	if t.err != nil {
		x.broken = append(x.broken, t.err)
	}
	switch s := t.Source.(type) {
	case *afpacket.Source:
		st := s.Stats()
		x.stamps.skewed += st.Skewed
		x.stamps.freezes += st.Freezes
		x.downs = max(x.downs, st.Downs) // each ring of an interface counts them
		x.unreached = cmp.Or(x.unreached, source.Obstacle(s))
	case *hep.Source:
		st := s.Stats()
		x.stamps.skewed += st.Skewed
		x.stamps.unstamped += st.Unstamped
	}
}

// silent reports whether x was read without an error and had no frame.
func (x *examined) silent() bool {
	return len(x.broken) == 0 && x.unreached == "" && x.ledger.Packets.Seen+x.ledger.Packets.KernelDropped == 0
}

// refused returns how many packets were refused for one of the reasons.
func (x *examined) refused(list ...capture.Reason) uint64 {
	return only(x.ledger.Packets.Refused, list).Total()
}

// lost returns how many packets were lost for one of the reasons after they had been counted.
func (x *examined) lost(list ...capture.Reason) uint64 {
	return only(x.ledger.Packets.Lost, list).Total()
}

// only returns the counts of s under the reasons of list.
func only(s ledger.Sums, list []capture.Reason) ledger.Sums {
	some := ledger.Sums{}
	for _, r := range list {
		some.Add(r.String(), s[r.String()])
	}
	return some
}

// encrypted returns how many directions of connections were TLS and how many datagrams were DTLS, added.
func (x *examined) encrypted() uint64 { return x.ledger.Streams.TLS + x.ledger.Streams.DTLS }

// String returns the key of x and the name that the configuration gives it.
func (x *examined) String() string {
	switch x.Type {
	case "interface":
		return fmt.Sprintf("%s (interface %s)", x.key(), x.Interface)
	case "hep":
		c, _ := x.Feed()
		return fmt.Sprintf("%s (feed %s)", x.key(), c.Name)
	}
	return fmt.Sprintf("%s (%s %s)", x.key(), x.Type, x.Path)
}

// describe writes the counts of x.
func (x *examined) describe(w io.Writer) {
	p := x.ledger.Packets
	fmt.Fprintf(w, "\n%s\n", x)
	line := func(what, format string, args ...any) {
		fmt.Fprintf(w, "    %-12s %s\n", what, fmt.Sprintf(format, args...))
	}
	if x.Type == "directory" {
		line("files", "%d", x.opened)
	}
	line("frames", "%d seen, %d passed, %d lost in the kernel", p.Seen, p.Passed, p.KernelDropped)
	line("refused", "%s", p.Refused.Words())
	if len(p.Lost) > 0 {
		line("lost later", "%s", p.Lost.Words())
	}
	line("link layer", "%s", x.linkLayer())
	line("carried in", "%s", p.Carried.Words())
	for _, name := range x.seen.transports() {
		line(name, "%d payloads, %d requests, %d responses", x.seen.payloads[name], x.seen.requests[name],
			x.seen.responses[name])
	}
	line("encrypted", "%s of the payloads: TLS in %d directions of connections, DTLS in %d datagrams",
		percent(p.Refused[capture.Opaque.String()], x.seen.payloads.Total()), x.ledger.Streams.TLS, x.ledger.Streams.DTLS)
	line("seen twice", "%d messages", x.seen.duplicates)
	if s := x.stamps; s.skewed+s.unstamped+p.Undated > 0 {
		line("timestamps", "%d replaced by the time of arrival, %d missing, %d not valid", s.skewed, s.unstamped, p.Undated)
	}
}

// linkLayer returns the name of the link layer, as far as the packets show it.
func (x *examined) linkLayer() string {
	c := x.ledger.Packets.Carried
	switch all := x.seen.payloads.Total(); {
	case all == 0:
		return "unknown"
	case c[capture.CookedV1.String()]+c[capture.CookedV2.String()] > 0:
		return "Linux cooked: a capture on \"any\""
	case x.seen.addressed == 0:
		return "without addresses: raw IP, loopback, or a feed"
	case x.seen.addressed < all:
		return fmt.Sprintf("Ethernet, %d payloads without a link address", all-x.seen.addressed)
	}
	return "Ethernet"
}

// percent returns n as a share of all, with one decimal.
func percent(n, all uint64) string {
	return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(max(all, 1)))
}
