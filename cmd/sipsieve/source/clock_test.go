package source

import (
	"testing"

	"golang.org/x/sys/unix"

	"sipsieve/cmd/sipsieve/ledger"
)

func TestWhatTheKernelSaysOfTheClock(t *testing.T) {
	for _, c := range []struct {
		x     unix.Timex
		state int
		err   error
		words string
		want  ledger.Host
	}{
		{unix.Timex{Maxerror: 1500}, unix.TIME_OK, nil, "synchronised, off by 1.5ms at most", ledger.Host{ClockError: 1500}},
		{unix.Timex{Maxerror: 16000000, Status: unix.STA_UNSYNC}, unix.TIME_ERROR, nil, "not synchronised",
			ledger.Host{Unsynchronised: 1, ClockError: 16000000}},
		{unix.Timex{}, unix.TIME_ERROR, nil, "not synchronised", ledger.Host{Unsynchronised: 1}},
		{unix.Timex{}, 0, unix.EPERM, "unknown", ledger.Host{}},
	} {
		got := clockStateOf(&c.x, c.state, c.err)
		if got.String() != c.words || got.Ledger() != c.want {
			t.Errorf("got = %q, %+v, want %q, %+v", got, got.Ledger(), c.words, c.want)
		}
	}
}
