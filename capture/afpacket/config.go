// Package afpacket reads SIP from a Linux network interface, through a ring that the kernel fills.
//
// A filter in the kernel lets in only the configured ports, and tunnels where they are configured. Media never reaches
// this process, except inside such a tunnel or a fragment, and then goes no further than package decode.
//
// # Capabilities
//
// Opening a socket needs CAP_NET_RAW and nothing else. DropCapabilities drops it afterwards; sockets are bound to their
// interface whenever it appears.
//
// # Clock
//
// A frame bears the stamp of the kernel. Config.Skew bounds how far it may be from the time of its arrival. A step of
// the wall clock is returned as Packet.Step.
//
// # Limits
//
// The rings are all the memory for frames: Fanout rings of Blocks times BlockSize bytes. What does not fit is counted
// in Drops.Kernel and returned as Packet.Missed. README.md has the table.
//
// # Order
//
// Packets of one Source come in the order of the kernel. Source.Watermark is the time that nothing earlier follows.
package afpacket

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sipsieve/capture/decode"
)

// Config is what is captured, and the memory for it: Fanout rings of Blocks times BlockSize bytes.
type Config struct {
	Interface   string        // name of one network interface; "any" is refused
	Ports       []PortRange   // of UDP, TCP and SCTP, source or destination: what the kernel filter takes
	VLANs       []uint16      // outermost tags that are taken, 0 for frames without one; empty for all
	Fanout      int           // rings that share the interface's traffic by flow
	Blocks      int           // of one ring
	BlockSize   int           // bytes; a power of two, 128 KiB or more, for an offloaded frame has 64 KiB
	Retire      time.Duration // longest wait of a frame in a block that is not full
	Promiscuous bool          // also frames addressed to others; for mirror ports
	Skew        time.Duration // a stamp further than this from the frame's arrival is replaced by the arrival
	Decode      decode.Config // its Ports are these Ports; the filter takes its Tunnels, too
}

// A PortRange is the ports from First to Last, both included.
type PortRange = decode.PortRange

// DefaultConfig returns the settings that suit a small SBC: one ring of 32 MiB for ports 5060 and 5061.
func DefaultConfig() Config {
	return Config{
		Ports:     []PortRange{{First: 5060, Last: 5061}},
		Fanout:    1,
		Blocks:    32,
		BlockSize: 1 << 20,
		Retire:    60 * time.Millisecond,
		Skew:      time.Minute,
		Decode:    decode.DefaultConfig(),
	}
}

const mostRingBytes = 1 << 31 // of one ring

// Validate returns everything that is wrong with c, each under its key.
func (c Config) Validate() error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(c.Interface == "" || c.Interface == "any" || len(c.Interface) >= unix.IFNAMSIZ,
		"interface: want the name of one interface, of 1 to %d bytes", unix.IFNAMSIZ-1)
	wrong(len(c.Ports) == 0, "ports: want one or more")
	for _, r := range c.Ports {
		wrong(r.First == 0 || r.Last < r.First, "ports: want 1 to 65535 in order, got %d-%d", r.First, r.Last)
	}
	wrong(len(joined(c.Ports)) > mostRanges, "ports: want %d ranges or fewer", mostRanges)
	wrong(len(c.filter().vlans()) > mostVLANs, "vlans: want %d or fewer", mostVLANs)
	for _, id := range c.VLANs {
		wrong(id > 4094, "vlans: want 0 to 4094, got %d", id)
	}
	wrong(c.Fanout < 1 || c.Fanout > 64, "fanout: want 1 to 64, got %d", c.Fanout)
	wrong(c.Blocks < 2, "blocks: want 2 or more, got %d", c.Blocks)
	power := c.BlockSize > 0 && c.BlockSize&(c.BlockSize-1) == 0
	wrong(!power || c.BlockSize < 128<<10 || c.BlockSize%os.Getpagesize() != 0,
		"block_size: want a power of two, 131072 or more, got %d", c.BlockSize)
	wrong(c.Blocks >= 2 && c.BlockSize > mostRingBytes/c.Blocks, "blocks: want a ring of %d bytes or fewer", mostRingBytes)
	wrong(c.Retire < time.Millisecond || c.Retire > time.Second, "retire: want 1ms to 1s, got %s", c.Retire)
	wrong(c.Skew <= 0, "skew: want more than 0, got %s", c.Skew)
	return errors.Join(errs...)
}

// filter returns what the kernel lets in from an interface of Ethernet frames.
func (c Config) filter() filter {
	return filter{Ports: c.Ports, Tunnels: c.Decode.Tunnels, VLANs: c.VLANs}
}
