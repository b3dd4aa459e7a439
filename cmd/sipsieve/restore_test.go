package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sipsieve/cmd/sipsieve/daemon"
	"sipsieve/store/vault"
)

// TestARestoredHostHasEachRecordOnce is the drill of systemd/README.md: a host's state folder is copied while the daemon
// is stopped, the host is lost after it has read more, and another begins with the copy and reads everything again.
func TestARestoredHostHasEachRecordOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, 60)
	whole := s.capture
	want := s.replayed0(t)
	part := newSite(t, 30)
	s.changes(t, whole, part.capture) // the first half of the same calls
	p := s.start(t)
	s.awaitStored(t, 30)
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	state := filepath.Join(s.dir, "state")
	copied := filepath.Join(s.dir, "copied")
	if err := os.CopyFS(copied, os.DirFS(state)); err != nil {
		t.Fatal(err)
	}

	s.changes(t, part.capture, whole)
	p = s.start(t)
	s.awaitStored(t, len(want))
	p.stop(t, syscall.SIGKILL)
	if err := os.RemoveAll(state); err != nil {
		t.Fatal(err)
	}

	if err := os.Rename(copied, state); err != nil {
		t.Fatal(err)
	}
	if got := s.stored(t); len(got) != 30 {
		t.Errorf("records of the copy = %d, want 30", len(got))
	}
	p = s.start(t)
	s.awaitStored(t, len(want))
	same(t, s.stored(t), want)
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	same(t, s.stored(t), want)
}

// oneOverAndOneUp is a call that is over, and one that ends after the copies are made.
const oneOverAndOneUp = `
callid over
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   200 INVITE
00:00.200  alice -> bob   ACK
00:02.000  alice -> bob   BYE
00:02.100  alice <- bob   200 BYE
callid up
00:03.000  carol -> bob   INVITE
00:03.100  carol <- bob   200 INVITE
00:03.200  carol -> bob   ACK
# the copies
01:05.000  carol -> bob   BYE
01:05.100  carol <- bob   200 BYE
`

// untilCopies are the messages of oneOverAndOneUp before the copies.
const untilCopies = 8

// TestACleanHostGoesOnWithCopiesOfARunningOne is the second drill of systemd/README.md: store, keys and open calls are
// copied while the daemon runs, the host is lost, and another begins with the copies: ids are the same, nothing is there
// twice.
func TestACleanHostGoesOnWithCopiesOfARunningOne(t *testing.T) {
	t.Parallel()
	keys := filepath.Join(t.TempDir(), "keys.toml")
	if err := vault.Create(keys); err != nil {
		t.Fatal(err)
	}
	f := newFeeder(t, oneOverAndOneUp, "")
	f.write(t, fmt.Sprintf("[keys]\nfile = %q\n", keys))
	p := f.begin(t)
	f.send(t, f.packets[:untilCopies])
	f.await(t, "a record and an open call", func(r *daemon.Status) bool { return r.Records["billing"] == 1 && r.Journal.Calls == 1 })
	copies := filepath.Join(f.dir, "copies")
	if err := os.Mkdir(copies, 0o700); err != nil {
		t.Fatal(err)
	}
	sieve := binary(t)
	said := command(t, sieve, "keys", "backup", "--config", f.config, filepath.Join(copies, "keys"))
	text, err := os.ReadFile(keys)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if _, root, ok := strings.Cut(line, `"`); ok && strings.Contains(said, root[:8]) {
			t.Error("a root is printed")
		}
	}
	command(t, sieve, "store", "backup", "--config", f.config, filepath.Join(copies, "store"))
	command(t, "cp", "-p", f.journalPath(), copies)

	f.postpone(t, untilCopies)
	f.send(t, f.packets[untilCopies:])
	f.await(t, "the second record", func(r *daemon.Status) bool { return r.Records["billing"] == 2 })
	p.stop(t, syscall.SIGKILL)
	want := slices.Sorted(maps.Keys(f.stored(t)))
	state := filepath.Join(f.dir, "state")
	for _, lost := range []string{state, keys} {
		if err := os.RemoveAll(lost); err != nil {
			t.Fatal(err)
		}
	}

	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{"keys/keys.toml": keys, "store": filepath.Join(state, "store"),
		"calls.journal": f.journalPath()} {
		if err := os.Rename(filepath.Join(copies, from), to); err != nil {
			t.Fatal(err)
		}
	}
	p = f.begin(t)
	if r := f.status(t).Journal; r.Restored != 1 || r.Broken+r.Refused != 0 {
		t.Errorf("checkpoint log: %+v, want one call restored", r)
	}
	f.postpone(t, untilCopies)
	f.send(t, f.packets[untilCopies:])
	f.await(t, "the second record", func(r *daemon.Status) bool { return r.Records["billing"] == 2 && r.Journal.Calls == 0 })
	if got := slices.Sorted(maps.Keys(f.stored(t))); !slices.Equal(got, want) {
		t.Errorf("ids = %s, want %s", got, want)
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
}
