package collector

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sipsieve/store/policy"
)

// otherPurposes returns the purposes of the bench under another policy, and its hash.
func otherPurposes(t *testing.T, b *bench) (list []*policy.Purpose, hash string) {
	t.Helper()
	p, err := policy.Parse("policy.toml", append(append([]byte(nil), b.setup.Policy.Source()...), "# another\n"...))
	if err != nil {
		t.Fatal(err)
	}
	keys := func(purpose string, epoch time.Duration) policy.Keys { return b.setup.Vault.Purpose(purpose, epoch) }
	if err := p.Bind(keys); err != nil {
		t.Fatal(err)
	}
	return p.Purposes(), p.Hash()
}

// TestAPolicyIsReplacedBetweenTwoRecords: what was made before has the policy before, what comes then the other, all of it
// once, of every purpose.
func TestAPolicyIsReplacedBetweenTwoRecords(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	others, hash := otherPurposes(t, b)
	synctest.Test(t, func(t *testing.T) {
		b.run(t.Context())
		b.live(3)
		synctest.Wait()
		before := b.ledgerOf(t)
		began := time.Now()
		if since, err := b.Replace(t.Context(), others); err != nil || since.Before(began) {
			t.Errorf("since %v, %v", since, err)
		}
		b.live(3)
		b.Close()
		if err := <-b.ended; err != nil {
			t.Error(err)
		}
		for purpose, n := range b.ledgerOf(t) {
			var old, young int
			for _, x := range b.sink.kept[purpose] {
				if x.Policy == hash {
					young++
				} else {
					old++
				}
			}
			if was := int(before[purpose].Made); old != was || old+young != int(n.Made) || n.Made > 0 && young == 0 {
				t.Errorf("%s: %d under the policy before and %d under the other, want %d of %d", purpose, old, young, was, n.Made)
			}
		}
		if _, err := b.Replace(t.Context(), others); !errors.Is(err, errEnded) {
			t.Errorf("after the end: error = %v", err)
		}
	})
}
