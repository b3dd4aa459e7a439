package source

import (
	"fmt"
	"sipsieve/cmd/sipsieve/ledger"
	"time"

	"golang.org/x/sys/unix"
)

// A ClockState is the state of the host's clock, from adjtimex(2).
type ClockState struct {
	Known    bool          // the kernel answered
	Unsynced bool          // no NTP or PTP daemon disciplines the clock
	MaxError time.Duration // largest error of the clock
}

// HostClock returns the state of the host's clock.
func HostClock() ClockState {
	var x unix.Timex // no modes: nothing is set
	state, err := unix.Adjtimex(&x)
	return clockStateOf(&x, state, err)
}

func clockStateOf(x *unix.Timex, state int, err error) ClockState {
	if err != nil {
		return ClockState{}
	}
	return ClockState{Known: true, Unsynced: state == unix.TIME_ERROR || x.Status&unix.STA_UNSYNC != 0,
		MaxError: time.Duration(x.Maxerror) * time.Microsecond}
}

// String returns whether the clock is disciplined, and its largest error.
func (c ClockState) String() string {
	switch {
	case !c.Known:
		return "unknown"
	case c.Unsynced:
		return "not synchronised"
	}
	return fmt.Sprintf("synchronised, off by %s at most", c.MaxError)
}

// Ledger returns c as the ledger shows it.
func (c ClockState) Ledger() (l ledger.Host) {
	if c.Unsynced {
		l.Unsynchronised = 1
	}
	l.ClockError = ledger.Peak(c.MaxError.Microseconds())
	return l
}
