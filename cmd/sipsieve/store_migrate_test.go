package main

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/postgres"
	"sipsieve/store/postgres/pgtest"
	"sipsieve/store/sqlite"
	"sipsieve/store/storetest"
)

// future is how many days after storetest.Expires what is not expired expires.
func future() int { return int(time.Since(storetest.Expires.Time()).Hours()/24) + 10 }

// seen returns what a sensor saw of a dialog: its beginning, or its end, which expires a day later.
func seen(t *testing.T, n int, end bool) policy.Excerpt {
	dialog := fmt.Sprint("dialog", n)
	d := storetest.Call(fmt.Sprint("whole", n)).On(future())
	d.Missing = []string{"bye"}
	if end {
		d = storetest.Call(fmt.Sprint("bye", n)).On(future() + 1)
		d.Sensor, d.Missing = "s2", []string{"invite", "final_response", "ack"}
	}
	d.Dialog = &dialog
	return d.Excerpt(t)
}

// all returns the bodies of a purpose.
func all(t *testing.T, query func(context.Context, store.Query) iter.Seq2[store.Item, error], purpose string) (bodies []string) {
	t.Helper()
	for item, err := range query(t.Context(), store.Query{Purpose: purpose}) {
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, string(item.Body))
	}
	slices.Sort(bodies)
	return bodies
}

// TestMigratedRecordsAreTheSame copies rows, some made of what two sensors saw, and goes on where the files were left:
// what one sensor publishes later of a call is joined in the database as it would have been in the files.
func TestMigratedRecordsAreTheSame(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	state := t.TempDir()
	login := postgres.Login{URL: server.URL(server.Database(t))}
	files, err := sqlite.Open(sqlite.Config{Dir: filepath.Join(state, "store")})
	if err != nil {
		t.Fatal(err)
	}
	var xs, later []policy.Excerpt
	for n := range 30 {
		xs = append(xs, seen(t, n, n%2 == 0))
		if n%3 == 0 {
			xs = append(xs, seen(t, n, n%2 != 0))
		} else {
			later = append(later, seen(t, n, n%2 != 0))
		}
	}
	fraud := storetest.Call("of fraud").On(future() + 3)
	fraud.Purpose = "fraud"
	xs = append(xs, fraud.Excerpt(t), storetest.Call("expired").Excerpt(t))
	if err := files.Put(t.Context(), xs); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(state, "sieve.toml")
	text := fmt.Sprintf("state = %q\nkeys = { demo = true }\n[store]\ntype = \"postgres\"\nurl = %q\n", state, login.URL)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var out bytes.Buffer
		if err := migrateStore(t.Context(), config, "", &out); err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		for _, line := range []string{"billing 2026-11-24: expired, left out\n", "the database has all 31 records of the files\n"} {
			if !strings.Contains(out.String(), line) {
				t.Errorf("output = %s, want %q", out.String(), line)
			}
		}
	}
	if _, err := files.Sweep(t.Context(), storetest.Expires); err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(postgres.Config{Login: login})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	compare := func() {
		for _, purpose := range []string{"billing", "fraud"} {
			if got, want := all(t, db.Query, purpose), all(t, files.Query, purpose); !slices.Equal(got, want) || len(want) == 0 {
				t.Errorf("%s: %d records in the database, %d in the files, want the same", purpose, len(got), len(want))
			}
		}
	}
	compare()
	for _, each := range []store.Store{files, db} {
		if err := each.Put(t.Context(), later); err != nil {
			t.Fatal(err)
		}
	}
	compare()
	if err := files.Close(); err != nil {
		t.Error(err)
	}
}

// TestAFileThatCannotBeReadKeepsNoOtherFromBeingCopied damages one day.
func TestAFileThatCannotBeReadKeepsNoOtherFromBeingCopied(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	state := t.TempDir()
	url := server.URL(server.Database(t))
	files, err := sqlite.Open(sqlite.Config{Dir: filepath.Join(state, "store")})
	if err != nil {
		t.Fatal(err)
	}
	good, bad := storetest.Call("good").On(future()+5), storetest.Call("bad").On(future())
	if err := files.Put(t.Context(), []policy.Excerpt{good.Excerpt(t), bad.Excerpt(t)}); err != nil {
		t.Fatal(err)
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	x := bad.Excerpt(t)
	path := filepath.Join(state, "store", "billing", x.Expires.String()+".db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("damaged."), 1024), 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(state, "sieve.toml")
	text := fmt.Sprintf("state = %q\nkeys = { demo = true }\n[store]\ntype = \"postgres\"\nurl = %q\n", state, url)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = migrateStore(t.Context(), config, "", &out)
	if err == nil || !strings.Contains(err.Error(), x.Expires.String()) || strings.Contains(out.String(), "has all") {
		t.Errorf("error = %v, want one that names the day; output = %s", err, out.String())
	}
	if !strings.Contains(out.String(), "files 1, database 1\n") {
		t.Errorf("output = %s, want that the other day was copied", out.String())
	}
}
