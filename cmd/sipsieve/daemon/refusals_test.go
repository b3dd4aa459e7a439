package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/store"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
	"sipsieve/store/storetest"
	"sipsieve/store/vault"
)

// A picky is a Sink that refuses excerpts of these ids for good. What it takes it keeps by id.
type picky struct {
	refuses  []string
	nameless bool // it does not report which it refuses

	mu   sync.Mutex
	kept map[string]string // under mu
	away bool              // likewise: records of losses are not taken for now
}

func (p *picky) Put(_ context.Context, xs []policy.Excerpt) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away && xs[0].Kind == "loss" {
		return fmt.Errorf("away: %w", store.ErrUnavailable)
	}
	var refused store.Refused
	for _, x := range xs {
		if strings.Contains(strings.Join(p.refuses, " "), x.ID) {
			one := store.Refusal{Purpose: x.Purpose, Count: 1, Err: store.ErrTooLarge}
			if !p.nameless {
				one.Excerpts = []policy.Excerpt{x}
			}
			refused = append(refused, one)
			continue
		}
		p.kept[x.ID] = string(x.Body())
	}
	if refused != nil {
		return refused
	}
	return nil
}

// losses returns the records of losses that p has.
func (p *picky) losses() (list []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, body := range p.kept {
		if strings.Contains(body, `"kind":"loss"`) {
			list = append(list, body)
		}
	}
	return list
}

// TestWhatAPlaceRefusesForGoodIsALossThere refuses two of four records: each is a record of a loss, however often the Put is
// repeated and in whatever parts, or both are one if it is not known which they are. They are put before the Put ends.
func TestWhatAPlaceRefusesForGoodIsALossThere(t *testing.T) {
	t.Parallel()
	records, err := newLossRecords(&config.Setup{Config: config.Config{Site: "dfw1", Sensor: "s1"}, Policy: shippedPolicy(t), Vault: vault.Demo()})
	if err != nil {
		t.Fatal(err)
	}
	var xs []policy.Excerpt
	for i, id := range []string{"call-a", "call-b", "call-c", "call-d"} {
		xs = append(xs, storetest.Call(id).Numbered(uint64(i+1)).Excerpt(t))
	}
	for _, nameless := range []bool{false, true} {
		var log strings.Builder
		into := &picky{refuses: []string{"call-b", "call-d"}, nameless: nameless, kept: map[string]string{}, away: true}
		windows := 0
		r := &recorder{Sink: into, place: PlaceHub, records: records, log: slog.New(slog.NewTextHandler(&log, nil)),
			lose: func(string, cpni.Loss) { windows++ }, refusing: map[string]bool{}}
		if err := r.Put(t.Context(), xs); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("error = %v while the record cannot be put, want ErrUnavailable", err)
		}
		if windows != 0 {
			t.Errorf("%d loss windows of a record that is not put, want none: it comes again", windows)
		}
		into.mu.Lock()
		into.away = false
		into.mu.Unlock()
		if !nameless { // a delivery that comes again may have other parts
			for _, x := range [][]policy.Excerpt{xs[:3], xs[3:]} {
				if err := r.Put(t.Context(), x); !errors.As(err, new(store.Refused)) {
					t.Errorf("error = %v, want one refused", err)
				}
			}
		}
		for range 2 {
			var refused store.Refused
			if err := r.Put(t.Context(), xs); !errors.As(err, &refused) || len(refused) != 2 {
				t.Errorf("error = %v, want two refused", err)
			}
		}
		lost, records, each := into.losses(), 2, 1
		if nameless {
			records, each = 1, 2
		}
		for _, one := range lost {
			if !strings.Contains(one, fmt.Sprintf(`"count":%d,"reason":"too_large"`, each)) || !strings.Contains(one, `"sensor":"hub-s1"`) {
				t.Errorf("loss = %s, want of %d", one, each)
			}
		}
		if len(lost) != records {
			t.Errorf("%d losses, want %d: %s", len(lost), records, lost)
		}
		if n := strings.Count(log.String(), "refused for good"); n != 1 || !strings.HasPrefix(r.why(), "too_large: ") {
			t.Errorf("%d lines, why %q, want one, and the reason", n, r.why())
		}
	}
}

// TestTwoRefusalsOfOneTimeAreTwoLossWindows: a policy may cut the times of records to an hour, so that two losses have the
// same one.
func TestTwoRefusalsOfOneTimeAreTwoLossWindows(t *testing.T) {
	t.Parallel()
	records, err := newLossRecords(&config.Setup{Config: config.Config{Site: "dfw1", Sensor: "s1"}, Policy: shippedPolicy(t), Vault: vault.Demo()})
	if err != nil {
		t.Fatal(err)
	}
	ids, noon := map[string]int{}, storetest.Moment(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))
	for range 2 { // the second time as after a kill
		for i, id := range []string{"call-a", "call-b"} {
			draft := storetest.Call(id).Numbered(uint64(i + 1))
			draft.Setup = &noon
			x := draft.Excerpt(t)
			if _, known := x.Time(); !known {
				t.Fatal("the call has no time")
			}
			one := lossesOfRefused(store.Refused{{Purpose: "billing", Count: 1, Err: store.ErrTooLarge,
				Excerpts: []policy.Excerpt{x}}}, []policy.Excerpt{x})
			for _, record := range records.ofStore("billing", one[0].Loss) {
				ids[record.Kind+" "+record.ID]++
			}
		}
	}
	if len(ids) != 4 {
		t.Errorf("records = %v, want a loss and a loss window of each call", ids)
	}
}

// TestASecondReasonOfARefusalIsLogged has one Put refused for one reason after another.
func TestASecondReasonOfARefusalIsLogged(t *testing.T) {
	t.Parallel()
	records, err := newLossRecords(&config.Setup{Config: config.Config{Site: "dfw1", Sensor: "s1"}, Policy: shippedPolicy(t), Vault: vault.Demo()})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	xs := []policy.Excerpt{storetest.Call("call-a").Numbered(1).Excerpt(t)}
	into := &refusals{}
	r := &recorder{Sink: into, place: PlaceHub, records: records, log: slog.New(slog.NewTextHandler(&log, nil)), refusing: map[string]bool{}}
	for _, into.err = range []error{store.ErrTooLarge, store.ErrName, store.ErrTooLarge} {
		_ = r.Put(t.Context(), xs)
	}
	if n := strings.Count(log.String(), "refused for good"); n != 2 {
		t.Errorf("%d lines, want one for each reason:\n%s", n, log.String())
	}
}

// A refusals is a Sink that refuses everything but losses.
type refusals struct{ err error }

func (s *refusals) Put(_ context.Context, xs []policy.Excerpt) error {
	if xs[0].Kind == "loss" {
		return nil
	}
	return store.Refused{{Purpose: xs[0].Purpose, Count: len(xs), Err: s.err, Excerpts: xs}}
}
