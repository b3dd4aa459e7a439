package main

import (
	"fmt"
	"sipsieve/cmd/sipsieve/ledger"
	"time"

	"golang.org/x/sys/unix"
)

// A clockState is what the kernel says of the host's clock, adjtimex(2).
type clockState struct {
	known    bool // the kernel may be asked
	unsynced bool // no NTP or PTP daemon sets the clock
	mostOff  time.Duration
}

// hostClock asks the kernel.
func hostClock() clockState {
	var x unix.Timex // no modes: nothing is set
	state, err := unix.Adjtimex(&x)
	return clockStateOf(&x, state, err)
}

func clockStateOf(x *unix.Timex, state int, err error) clockState {
	if err != nil {
		return clockState{}
	}
	return clockState{known: true, unsynced: state == unix.TIME_ERROR || x.Status&unix.STA_UNSYNC != 0,
		mostOff: time.Duration(x.Maxerror) * time.Microsecond}
}

// String says whether something sets the clock, and how well.
func (c clockState) String() string {
	switch {
	case !c.known:
		return "unknown"
	case c.unsynced:
		return "not synchronised"
	}
	return fmt.Sprintf("synchronised, off by %s at most", c.mostOff)
}

func (c clockState) ledger() (l ledger.Host) {
	if c.unsynced {
		l.Unsynchronised = 1
	}
	l.ClockError = ledger.Peak(c.mostOff.Microseconds())
	return l
}
