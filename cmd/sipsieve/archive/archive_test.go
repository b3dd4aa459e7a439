package archive

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sipsieve/configs"
	"sipsieve/store"
	"sipsieve/store/policy"
)

// policyOf returns the shipped policy with a comment behind it.
func policyOf(t *testing.T, comment string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("policy.toml", append(configs.Policy[:len(configs.Policy):len(configs.Policy)], "# "+comment+"\n"...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// storeOf answers with the texts of policies as a store has them; change may change one.
func storeOf(t *testing.T, change func(*store.OpsRecord), list ...*policy.Policy) Query {
	t.Helper()
	return func(_ context.Context, q store.Query) iter.Seq2[store.Item, error] {
		if q.Purpose != store.Ops || q.Kind != string(store.PolicyText) {
			t.Errorf("query = %+v", q)
		}
		return func(yield func(store.Item, error) bool) {
			for _, p := range list {
				now := time.Now()
				r := store.OpsRecord{Kind: store.PolicyText, Site: "dfw1", Sensor: "s1", From: now, To: now, Policy: p.Hash(),
					Expires: p.LongestExpiry(now), Text: string(p.Source())}
				if change != nil {
					change(&r)
				}
				x, err := r.Excerpt()
				if !yield(store.Item{Body: x.Body()}, err) {
					return
				}
			}
		}
	}
}

// find complains unless prefix gives the text of p from a state folder, or from a store.
func find(t *testing.T, state, prefix string, query Query, p *policy.Policy) {
	t.Helper()
	text, err := Find(t.Context(), state, prefix, query)
	if err != nil || string(text) != string(p.Source()) {
		t.Errorf("%s: %v: not the text of %s", prefix, err, p.Hash())
	}
}

func TestTextsAreFoundByTheirHashes(t *testing.T) {
	state := t.TempDir()
	one, two, far := policyOf(t, "one"), policyOf(t, "two"), policyOf(t, "three")
	for _, p := range []*policy.Policy{one, two, one} {
		if err := Keep(state, p); err != nil {
			t.Fatal(err)
		}
	}
	others := storeOf(t, nil, one, far)
	for _, p := range []*policy.Policy{one, two, far} {
		find(t, state, p.Hash(), others, p)
		find(t, state, p.Hash()[:12], others, p)
	}
	find(t, state, two.Hash(), nil, two)
	if _, err := Find(t.Context(), state, far.Hash(), nil); !errors.Is(err, ErrUnknown) {
		t.Errorf("error = %v, want ErrUnknown", err)
	}
	for _, prefix := range []string{"", "../", "0123456789abcdef0", "ABC", "*"} {
		if _, err := Find(t.Context(), state, prefix, others); !errors.Is(err, ErrHash) {
			t.Errorf("%q: error = %v, want ErrHash", prefix, err)
		}
	}
}

func TestABeginningOfSeveralHashesIsRefused(t *testing.T) {
	state := t.TempDir()
	var list []*policy.Policy // of 17, two begin alike
	for i := range 17 {
		list = append(list, policyOf(t, strings.Repeat("x", i)))
	}
	begins := map[string]int{}
	for i, p := range list {
		begins[p.Hash()[:1]]++
		if i%2 == 0 {
			if err := Keep(state, p); err != nil {
				t.Fatal(err)
			}
		}
	}
	for prefix, n := range begins {
		_, err := Find(t.Context(), state, prefix, storeOf(t, nil, list...))
		if want := n > 1; want != errors.Is(err, ErrShort) {
			t.Errorf("%s, of %d policies: error = %v", prefix, n, err)
		}
	}
}

// TestATextThatWasChangedIsNeverReturned: not from the folder, where the store's is taken, nor from a store.
func TestATextThatWasChangedIsNeverReturned(t *testing.T) {
	state, p := t.TempDir(), policyOf(t, "one")
	if err := Keep(state, p); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(state, folder, p.Hash()+extension)
	for i := 0; i < len(p.Source()); i += 997 {
		text := append([]byte(nil), p.Source()...)
		text[i] ^= 1
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Find(t.Context(), state, p.Hash(), nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Fatalf("byte %d: error = %v, want one that names %s", i, err, name)
		}
	}
	find(t, state, p.Hash(), storeOf(t, nil, p), p)
	changed := storeOf(t, func(r *store.OpsRecord) { r.Text += "\n" }, p)
	if text, err := Find(t.Context(), state, p.Hash(), changed); err == nil || text != nil {
		t.Errorf("error = %v, want one", err)
	}
	if err := Keep(state, p); err != nil { // the next start
		t.Fatal(err)
	}
	find(t, state, p.Hash(), changed, p)
}

// TestFaultsOfFolderAndStoreAreErrors: not that no policy is known.
func TestFaultsOfFolderAndStoreAreErrors(t *testing.T) {
	state, p := t.TempDir(), policyOf(t, "one")
	if err := os.WriteFile(filepath.Join(state, folder), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Keep(state, p); err == nil {
		t.Error("a file in place of the folder is no error")
	}
	broken := func(context.Context, store.Query) iter.Seq2[store.Item, error] {
		return func(yield func(store.Item, error) bool) { yield(store.Item{}, store.ErrUnavailable) }
	}
	if _, err := Find(t.Context(), t.TempDir(), p.Hash(), broken); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("error = %v, want ErrUnavailable", err)
	}
}
