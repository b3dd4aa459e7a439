package bus

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// lines returns differences as they are printed.
func lines(list []Difference) (texts []string) {
	for _, d := range list {
		texts = append(texts, d.String())
	}
	return texts
}

func hubPlan() HubPlan {
	return HubPlan{Plan: config("", 0, "billing", "fraud").Plan, Readers: []Reader{{"billing", "rating"}, {"billing", "store-hub1"}}}
}

// differences compares with p, applies it, and wants that nothing differs afterwards.
func differences(t *testing.T, b *Bus, p HubPlan) []string {
	t.Helper()
	before, _, err := b.Compare(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	made, _, err := b.Apply(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(before, made) {
		t.Errorf("apply made %q, plan was %q", made, before)
	}
	if after, _, err := b.Compare(t.Context(), p); err != nil || len(after) > 0 {
		t.Errorf("after apply: %q, %v, want no difference", after, err)
	}
	return lines(before)
}

func TestAHubIsMadeAndReconciledByItsPlan(t *testing.T) {
	t.Parallel()
	b := connect(t, Remote{URL: natsServer(t, nil).ClientURL()})
	reach(t, b)
	p := hubPlan()
	want := []string{"+ stream CPNI_BILLING", "+ stream CPNI_FRAUD", "+ stream OPS", "+ consumer CPNI_BILLING rating",
		"+ consumer CPNI_BILLING store-hub1"}
	if got := differences(t, b, p); !slices.Equal(got, want) {
		t.Errorf("differences = %q, want %q", got, want)
	}
	publish(t, b, 0, 10)
	p.Streams[0].Retain, p.DiskLimit, p.Duplicates = time.Hour, 1<<20, time.Minute
	got := strings.Join(differences(t, b, p), "\n")
	for _, want := range []string{"~ stream CPNI_BILLING: max_age is 72h0m0s, want 1h0m0s",
		"~ stream CPNI_BILLING: max_bytes is none, want 349525", "~ stream CPNI_FRAUD: duplicate_window is 2m0s, want 1m0s"} {
		if !strings.Contains(got, want) {
			t.Errorf("differences = %s\nwant %s", got, want)
		}
	}
	if got := len(stored(t, b, "billing")); got != 10 {
		t.Errorf("messages = %d, want 10: a change of settings removes none", got)
	}
}

// TestWhatAPlanDoesNotDecideStays sets a description and another's consumer by hand, and changes what the plan decides.
func TestWhatAPlanDoesNotDecideStays(t *testing.T) {
	t.Parallel()
	b := connect(t, Remote{URL: natsServer(t, nil).ClientURL()})
	reach(t, b)
	p := hubPlan()
	differences(t, b, p)
	c := p.configs()[0]
	c.Description, c.Compression, c.Subjects, c.Duplicates = "by hand", jetstream.S2Compression, []string{"cpni.v1.billing.>"}, time.Second
	if _, err := b.stream.UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	other := consumerConfig("other", false)
	if _, err := b.stream.CreateConsumer(t.Context(), "CPNI_BILLING", other); err != nil {
		t.Fatal(err)
	}
	reader := consumerConfig("rating", false)
	reader.AckWait, reader.MaxDeliver = time.Second, 3
	if _, err := b.stream.UpdateConsumer(t.Context(), "CPNI_BILLING", reader); err != nil {
		t.Fatal(err)
	}
	_, others, err := b.Compare(t.Context(), p)
	if err != nil || !slices.Equal(others, []string{"consumer CPNI_BILLING other"}) {
		t.Errorf("others = %q, %v, want the one that the plan does not name", others, err)
	}
	want := []string{"~ stream CPNI_BILLING: subjects is cpni.v1.billing.>, want aggregate.v1.billing.>, cpni.v1.billing.>",
		"~ stream CPNI_BILLING: duplicate_window is 1s, want 2m0s", "~ consumer CPNI_BILLING rating: ack_wait is 1s, want 30s",
		"~ consumer CPNI_BILLING rating: max_deliver is 3, want -1"}
	if got := differences(t, b, p); !slices.Equal(got, want) {
		t.Errorf("differences = %q, want %q", got, want)
	}
	s, err := b.stream.Stream(t.Context(), "CPNI_BILLING")
	if err != nil {
		t.Fatal(err)
	}
	if have := s.CachedInfo().Config; have.Description != "by hand" || have.Compression != jetstream.S2Compression {
		t.Errorf("config = %+v, want what was set by hand", have)
	}
}

// TestAReaderOfAnotherKindIsReplacedWhereItWas has one that confirms by a single acknowledgement.
func TestAReaderOfAnotherKindIsReplacedWhereItWas(t *testing.T) {
	t.Parallel()
	b := connect(t, Remote{URL: natsServer(t, nil).ClientURL()})
	reach(t, b)
	p := hubPlan()
	differences(t, b, HubPlan{Plan: p.Plan})
	all, err := b.stream.CreateConsumer(t.Context(), "CPNI_BILLING", consumerConfig("rating", true))
	if err != nil {
		t.Fatal(err)
	}
	publish(t, b, 0, 10)
	fetched, err := all.Fetch(6, jetstream.FetchMaxWait(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for m := range fetched.Messages() {
		if n++; n == 6 {
			if err := m.DoubleAck(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := differences(t, b, p); !slices.Contains(got, "~ consumer CPNI_BILLING rating: ack_policy is AckAll, want AckExplicit") {
		t.Errorf("differences = %q, want the kind of acknowledgement", got)
	}
	into := newMemory()
	stop := running(t, b.Consumer("billing", "rating"), into)
	await(t, into, "the rest", func() bool { return into.len() == 4 && confirmed(t, b, "rating") })
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestWhoMayNotMakeStreamsIsToldSoAtOnce(t *testing.T) {
	t.Parallel()
	srv := natsServer(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "edge", Password: "e", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{"cpni.v1.>"}}}}}
	})
	b := connect(t, Remote{URL: srv.ClientURL(), User: "edge", Password: "e"})
	reach(t, b)
	began := time.Now()
	if _, _, err := b.Compare(t.Context(), hubPlan()); !errors.Is(err, nats.ErrPermissionViolation) {
		t.Errorf("error = %v, want the permission that is missing", err)
	}
	if took := time.Since(began); took >= replyTimeout {
		t.Errorf("it took %v", took)
	}
	if err := (HubPlan{Replicas: 6, Readers: []Reader{{"billing", "A B"}}}).Validate(); err == nil {
		t.Error("error = nil, want two")
	}
	alone := connect(t, Remote{URL: natsServer(t, nil).ClientURL()})
	reach(t, alone)
	p := hubPlan()
	p.Replicas = 3
	if _, _, err := alone.Apply(t.Context(), p); err == nil || !strings.Contains(err.Error(), "replicas > 1 not supported") {
		t.Errorf("error = %v, want that a single server has no replicas", err)
	}
}
