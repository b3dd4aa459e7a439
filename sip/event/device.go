package event

import (
	"fmt"
	"log/slog"
	"sipsieve/capture"
	"sipsieve/sip/facts"
	"time"
)

// DeviceFlags is a set of findings about a device.
type DeviceFlags uint16

// DeviceFlags, in the order in which records list them.
const (
	ScannerFlag       DeviceFlags = 1 << iota // a tool that looks for open systems
	ManyAORs                                  // it registers more than 16 addresses-of-record
	FirmwareDowngrade                         // its firmware is older than it was
	PlainDigestMD5                            // its credentials are MD5 digests (RFC 8760 calls for better)
)

// A Device is one device as it describes itself, at one time.
type Device struct {
	At                  time.Time // of the message that showed or changed it
	FirstSeen, LastSeen time.Time
	Flags               DeviceFlags
	Flow                capture.Flow // of that message
	VLAN                uint16
	Point               string
	Origin              capture.Origin
	Facts               facts.Facts
}

// Format writes a mask for every verb and flag: a Device holds text about people.
func (d Device) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("***")) }

// LogValue is what slog writes for d.
func (d Device) LogValue() slog.Value { return slog.StringValue("***") }
