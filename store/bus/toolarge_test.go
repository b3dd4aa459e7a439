package bus

import (
	"errors"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// TestOnlyWhatIsTooLargeIsRefused puts batches of which some are larger than the stream, or the server, takes: those alone
// are refused, each by name.
func TestOnlyWhatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]func(*server.Options){"server": func(o *server.Options) { o.MaxPayload = 4000 },
		"stream": func(*server.Options) {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := natsServer(t, limit)
			b := connect(t, Remote{URL: srv.ClientURL()})
			reach(t, b)
			plan := Plan{Streams: []StreamConfig{{Purpose: "billing"}}}
			if err := b.Arrange(t.Context(), plan); err != nil {
				t.Fatal(err)
			}
			if name == "stream" {
				c := plan.configs()[0]
				c.MaxMsgSize = 4000
				if _, err := b.stream.UpdateStream(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			large := map[int]bool{3: true, 40: true, 41: true, 99: true}
			for _, xs := range [][]int{{0, 100}, {100, 103}, {200, 203}} { // of a batch, and of a few; of all
				var list []policy.Excerpt
				want := map[string]bool{}
				for n := xs[0]; n < xs[1]; n++ {
					x := call(t, "billing", "s1", n)
					if large[n] || n == 101 || n >= 200 {
						x = sized(t, "billing", "s1", n, 5000)
						want[x.ID] = true
					}
					list = append(list, x)
				}
				var refused store.Refused
				if err := b.Publisher().Put(t.Context(), list); !errors.As(err, &refused) || errors.Is(err, store.ErrUnavailable) {
					t.Fatalf("error = %v, want store.Refused", err)
				}
				for _, one := range refused {
					if one.Reason() != "too_large" || one.Count != 1 || len(one.Excerpts) != 1 || !want[one.Excerpts[0].ID] {
						t.Errorf("refusal %+v, want one that is too large", one)
					}
				}
				if len(refused) != len(want) {
					t.Errorf("%d refused, want %d", len(refused), len(want))
				}
			}
			if n := messages(t, b); n != 96+2 {
				t.Errorf("%d messages, want %d", n, 96+2)
			}
		})
	}
}
