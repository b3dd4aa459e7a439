package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sipsieve/cmd/sipsieve/daemon"
)

// TestABrokenDiskOfTheSpoolIsNamedAndHeals breaks the disk of the state folder under load, so that the NATS server keeps
// an error for a stream, and mends it: everything is stored once, without a restart.
func TestABrokenDiskOfTheSpoolIsNamedAndHeals(t *testing.T) {
	t.Parallel()
	const billing = "streams/CPNI_BILLING/msgs/"
	for name, f := range map[string]diskFault{
		"full behind the server's check": {errno: syscall.ENOSPC, only: billing},
		"a failing fsync":                {errno: syscall.EIO, only: billing, syncs: true},
		"read-only":                      {errno: syscall.EROFS},
		"errors of I/O":                  {errno: syscall.EIO, reads: true},
		"a quota exceeded":               {errno: syscall.EDQUOT},
	} {
		if f.errno != syscall.ENOSPC && os.Getenv("SIPSIEVE_FULL") == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 200)
			want := s.replayed0(t)
			s.changes(t, "speed = 0", "speed = 30")
			disk := mountFaulty(t, filepath.Join(s.dir, "state"))
			p := s.start(t)
			s.up(t)
			s.await(t, "the first records", func(r *daemon.Status) bool { return r.Records["billing"] > 0 })
			disk.breakAs(f)
			says := fmt.Sprintf("the bus takes nothing: state folder %s: %v", filepath.Join(s.dir, "state"), f.errno)
			s.await(t, says, func(r *daemon.Status) bool {
				return r.Troubles["bus.billing"] != "" && strings.Contains(strings.Join(r.Why, "\n"), says)
			})
			disk.breakDown(0)
			p.await(t, len(want))
			s.awaitStored(t, len(want))
			if code := p.stop(t, syscall.SIGTERM); code != 0 {
				t.Errorf("exit code = %d, want 0", code)
			}
			same(t, s.stored(t), want)
			log := p.stderr.String()
			for _, line := range []string{"stream takes nothing, its excerpts are held", "stream takes excerpts again"} {
				if n := strings.Count(log, "msg=\""+line+"\" purpose=billing"); n != 1 {
					t.Errorf("%d lines of billing: %q, want 1", n, line)
				}
			}
			if n := strings.Count(log, "the spool was opened anew"); f.only != "" && n != 1 || n > 1 {
				t.Errorf("opened anew %d times, want once", n)
			}
			if strings.Contains(log, "damaged") {
				t.Error("damage is logged, want none")
			}
			if t.Failed() {
				t.Log(log)
			}
		})
	}
}
