package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/storetest"
)

// daysOf returns n calls over three days, numbered from 1, each with a body of about 700 bytes and some of 9,000.
func daysOf(n int) (drafts []storetest.Draft) {
	for i := range n {
		d := storetest.Call(fmt.Sprintf("call%05d", i)).On(i % 3).Numbered(uint64(i + 1))
		d.Text = strings.Repeat(fmt.Sprint("text", i), 10)
		if i%40 == 0 {
			d.Text = strings.Repeat(d.Text, 100)
		}
		drafts = append(drafts, d)
	}
	return drafts
}

// killed returns the directory of a store as it is left by a kill -9 after drafts were put. If settled is true it had been
// idle before.
func killed(t *testing.T, drafts []storetest.Draft, settled bool) string {
	t.Helper()
	s := opened(t, Config{})
	for part := range slices.Chunk(drafts, 100) {
		put(t, s, part...)
	}
	if settled {
		for range 2 {
			if err := s.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(string(s.dir))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// harm damages one file of a store and returns what it did.
func harm(t *testing.T, random *rand.Rand, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && (strings.HasSuffix(path, ".db") || strings.HasSuffix(path, ".db-wal")) {
			if info, err := d.Info(); err == nil && info.Size() > 0 {
				names = append(names, path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	name := names[random.IntN(len(names))]
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	what, where := "", random.IntN(len(content))
	switch n := random.IntN(10); {
	case n == 0:
		what = "deleted"
		err = os.Remove(name)
	case n == 1:
		what = "emptied"
		err = os.Truncate(name, 0)
	case n < 4:
		what = fmt.Sprint("cut to ", where)
		err = os.Truncate(name, int64(where))
	default:
		what = fmt.Sprint("a bit flipped of byte ", where)
		content[where] ^= 1 << random.IntN(8)
		err = os.WriteFile(name, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Base(name) + " " + what
}

// TestDamageIsFoundCountedAndCostsWhatIsDamaged damages stores at random: what is not served afterwards is counted, what
// is served is what was put, other partitions have all, and what comes again is there again.
func TestDamageIsFoundCountedAndCostsWhatIsDamaged(t *testing.T) {
	t.Parallel()
	rounds := 12
	if os.Getenv("SIPSIEVE_FULL") != "" {
		rounds = 200
	}
	drafts := daysOf(400)
	bodies := map[string]policy.Date{}
	for _, d := range drafts {
		x := d.Excerpt(t)
		bodies[string(x.Body())] = x.Expires
	}
	idle, busy := killed(t, drafts, true), killed(t, drafts, false)
	for round := range rounds {
		random := rand.New(rand.NewPCG(9, uint64(round)))
		settled := round%2 == 0
		dir := t.TempDir()
		source := busy
		if settled {
			source = idle
		}
		if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
			t.Fatal(err)
		}
		what := harm(t, random, dir)
		damagedStore(t, fmt.Sprintf("round %d: %s", round, what), dir, drafts, bodies, settled)
	}
}

// damagedStore opens a store of which one file is damaged.
func damagedStore(t *testing.T, what, dir string, drafts []storetest.Draft, bodies map[string]policy.Date, found bool) {
	t.Helper()
	s, err := Open(Config{Dir: dir})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer s.Close()
	if err := s.Check(t.Context()); err != nil {
		t.Fatalf("%s: check: %v", what, err)
	}
	served, missing, damaged := 0, 0, map[policy.Date]bool{}
	var last error
	lacking := map[policy.Date]int{}
	for _, day := range bodies {
		lacking[day]++
	}
	for item, err := range s.Query(t.Context(), store.Query{Purpose: "billing"}) {
		if last = err; err != nil {
			continue
		}
		day, ok := bodies[string(item.Body)]
		if !ok {
			t.Errorf("%s: a record that nobody put", what)
		}
		served++
		lacking[day]--
	}
	for _, d := range s.Damaged() {
		missing += d.Missing
		damaged[d.Expires] = true
		if lacking[d.Expires] != d.Missing {
			t.Errorf("%s: %d rows of %v are missing, %d said", what, lacking[d.Expires], d.Expires, d.Missing)
		}
	}
	var said store.DamageError
	if served+missing != len(drafts) || (missing > 0) != errors.As(last, &said) {
		t.Errorf("%s: %d served, %d missing of %d, error %v", what, served, missing, len(drafts), last)
	}
	aside, _ := filepath.Glob(filepath.Join(dir, "billing", "*.damaged-*"))
	if found && missing == 0 && len(aside) == 0 {
		t.Errorf("%s: not found", what)
	}
	t.Logf("%s: %d missing, %d files set aside", what, missing, len(aside))
	put(t, s, drafts...)
	if n := rows(t, s, "billing"); n != len(drafts) || len(s.Damaged()) > 0 {
		t.Errorf("%s: after a refill %d rows, %v", what, n, s.Damaged())
	}
	if err := s.Check(t.Context()); err != nil || len(s.Damaged()) > 0 {
		t.Errorf("%s: after a refill: %v, %v", what, err, s.Damaged())
	}
	sweptClean(t, s)
}

// sweptClean sweeps all days and complains about any file that is left but the lock and the catalogue.
func sweptClean(t *testing.T, s *Store) {
	t.Helper()
	if _, err := s.Sweep(t.Context(), place{Expires: storetest.Expires}.Next(2).Expires); err != nil {
		t.Error(err)
	}
	if left := files(t, s); len(left) > 0 {
		t.Errorf("left after the last day: %v", left)
	}
}

// TestAPartitionThatIsDeletedWhileItRunsIsFound removes the file of a partition of which nothing is put any more.
func TestAPartitionThatIsDeletedWhileItRunsIsFound(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{})
	drafts := daysOf(30)
	put(t, s, drafts...)
	for range 2 { // its log would have all of it
		if err := s.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	days, err := s.dir.partitions()
	if err != nil || len(days) != 3 {
		t.Fatalf("partitions = %v, %v, want 3", days, err)
	}
	if err := os.Remove(s.dir.path(days[0])); err != nil {
		t.Fatal(err)
	}
	for range 2 { // once is enough, and twice no more
		if err := s.Settle(t.Context()); err != nil {
			t.Error(err)
		}
		if all := s.Damaged(); len(all) != 1 || all[0].Expires != days[0].Expires || all[0].Missing != 10 {
			t.Errorf("damaged = %+v, want the 10 rows of the first day", []store.Damage(all))
		}
	}
	put(t, s, drafts...)
	if all := s.Damaged(); len(all) != 0 {
		t.Errorf("damaged = %+v after all came again, want none", all)
	}
}

// A crash came between the removal of a day's files by a sweep and the catalogue: nothing is missing at the next start.
func TestACrashInASweepIsNoDamage(t *testing.T) {
	t.Parallel()
	dir := killed(t, daysOf(6), false)
	files, err := filepath.Glob(filepath.Join(dir, "*", storetest.Expires.String()+".db*"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no partition")
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	s := opened(t, Config{Dir: dir, Today: func() policy.Date { return storetest.Expires }})
	if lost := s.Missing(); len(lost) > 0 {
		t.Errorf("missing: %v", lost)
	}
	if gone, err := s.Sweep(t.Context(), storetest.Expires); gone != 2 || err != nil {
		t.Errorf("swept %d, error %v, want 2", gone, err)
	}
}

// TestAChangedRowIsInNoAnswer changes a digit of a duration where nobody has looked for damage yet.
func TestAChangedRowIsInNoAnswer(t *testing.T) {
	t.Parallel()
	drafts := daysOf(9)
	for i := range drafts {
		drafts[i] = drafts[i].On(0)
	}
	dir := killed(t, drafts, true)
	file := directory(dir).path(place{Purpose: "billing", Expires: storetest.Expires})
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(content, []byte(`"duration_ms":61000`), []byte(`"duration_ms":61001`), 1)
	if bytes.Equal(changed, content) {
		t.Fatal("no duration in the file")
	}
	if err := os.WriteFile(file, changed, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []store.Query{{Purpose: "billing"}, {Purpose: "billing", Stored: true}} {
		bodies, last := 0, error(nil)
		for item, err := range r.Query(t.Context(), q) {
			if last = err; err != nil || item.Body == nil {
				continue
			}
			if bodies++; strings.Contains(string(item.Body), "61001") {
				t.Errorf("by storing %t: the changed record is in the answer", q.Stored)
			}
		}
		var said store.DamageError
		if !errors.As(last, &said) || len(said) != 1 || said[0].Missing != 1 || bodies != len(drafts)-1 {
			t.Errorf("by storing %t: %d records, %v, want %d and one that is missing", q.Stored, bodies, last, len(drafts)-1)
		}
	}
}
