package bus

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// hubFor runs a server with the streams of purposes, and returns a connection to it as a user who may publish and
// subscribe to those subjects only.
func hubFor(t *testing.T, publish, subscribe []string, purposes ...string) (*server.Server, *Bus) {
	t.Helper()
	srv := natsServer(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "admin", Password: "a"}, {Username: "edge", Password: "e",
			Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: publish},
				Subscribe: &server.SubjectPermission{Allow: subscribe}}}}
	})
	admin := connect(t, Remote{URL: srv.ClientURL(), User: "admin", Password: "a"})
	reach(t, admin)
	if err := admin.Arrange(t.Context(), config("", 0, purposes...).Plan); err != nil {
		t.Fatal(err)
	}
	edge := connect(t, Remote{URL: srv.ClientURL(), User: "edge", Password: "e"})
	reach(t, edge)
	return srv, edge
}

// faults returns the cause of each purpose that Put did not put.
func faults(t *testing.T, err error) map[string]store.Cause {
	t.Helper()
	if err != nil && !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("error = %v, want ErrUnavailable", err)
	}
	var list store.Faults
	errors.As(err, &list)
	causes := map[string]store.Cause{}
	for _, f := range list {
		causes[f.Purpose] = f.Cause
	}
	return causes
}

// each returns ten calls of each purpose.
func each(t *testing.T, purposes ...string) (xs []policy.Excerpt) {
	for _, p := range purposes {
		xs = append(xs, calls(t, p, 0, 10)...)
	}
	return xs
}

// wantFaults compares, and wants an answer long before a request times out.
func wantFaults(t *testing.T, b *Bus, purposes []string, want map[string]store.Cause) {
	t.Helper()
	began := time.Now()
	err := b.Publisher().Put(t.Context(), each(t, purposes...))
	if took := time.Since(began); took >= replyTimeout {
		t.Errorf("Put took %v: it waited for an answer that never comes", took)
	}
	got := faults(t, err)
	for _, p := range purposes {
		if got[p] != want[p] {
			t.Errorf("%s = %q, want %q: %v", p, got[p], want[p], err)
		}
	}
}

var anyInbox = []string{"_INBOX.>"}

func TestTheTroubleOfAPurposeIsItsOwn(t *testing.T) {
	t.Parallel()
	srv, edge := hubFor(t, []string{"cpni.v1.billing.>", "cpni.v1.legal.>", "$JS.API.>"}, anyInbox, "billing", "fraud")
	purposes := []string{"fraud", "billing", "legal"}
	want := map[string]store.Cause{"fraud": store.CausePermission, "legal": store.CauseMissing}
	for range 2 {
		wantFaults(t, edge, purposes, want)
	}
	admin := connect(t, Remote{URL: srv.ClientURL(), User: "admin", Password: "a"})
	reach(t, admin)
	if got := len(stored(t, admin, "billing")); got != 10 {
		t.Errorf("messages of billing = %d, want 10", got)
	}
}

func TestAStreamThatMayNotBeAskedForIsMissing(t *testing.T) {
	t.Parallel()
	_, edge := hubFor(t, []string{"cpni.v1.>"}, anyInbox)
	wantFaults(t, edge, []string{"billing"}, map[string]store.Cause{"billing": store.CauseMissing})
}

func TestAnInboxThatIsRefusedIsAPermission(t *testing.T) {
	t.Parallel()
	_, edge := hubFor(t, []string{"cpni.v1.>", "$JS.API.>"}, []string{"_INBOX_edge.>"}, "billing")
	for range 2 {
		wantFaults(t, edge, []string{"billing"}, map[string]store.Cause{"billing": store.CausePermission})
	}
	awaitCause(t, edge.Consumer("billing", "store"), store.CausePermission)
}

// TestAnInboxThatIsAllowedLaterHeals gives the permission while the connection lasts.
func TestAnInboxThatIsAllowedLaterHeals(t *testing.T) {
	t.Parallel()
	var opts *server.Options
	edge := &server.User{Username: "edge", Password: "edge", Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{"cpni.v1.>", "$JS.API.>"}},
		Subscribe: &server.SubjectPermission{Deny: []string{"_INBOX_edge.>"}}}}
	srv := natsServer(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "admin", Password: "admin"}, edge}
		opts = o
	})
	admin := connect(t, Remote{URL: srv.ClientURL(), User: "admin", Password: "admin"})
	reach(t, admin)
	if err := admin.Arrange(t.Context(), Plan{Streams: []StreamConfig{{Purpose: "billing"}}}); err != nil {
		t.Fatal(err)
	}
	b := connect(t, Remote{URL: srv.ClientURL(), User: "edge", Password: "edge", Inbox: "_INBOX_edge"})
	b.errs.mu.Lock()
	b.errs.retry = 100 * time.Millisecond
	b.errs.mu.Unlock()
	await(t, newMemory(), "the refusal", func() bool {
		return faults(t, b.Publisher().Put(t.Context(), each(t, "billing")))["billing"] == store.CausePermission
	})
	allowed, later := *edge, *opts
	allowed.Permissions = &server.Permissions{Publish: edge.Permissions.Publish,
		Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_edge.>"}}}
	later.Users = []*server.User{opts.Users[0], &allowed}
	if err := srv.ReloadOptions(&later); err != nil {
		t.Fatal(err)
	}
	await(t, newMemory(), "a Put", func() bool { return b.Publisher().Put(t.Context(), each(t, "billing")) == nil })
}

func TestAServerWithoutJetStreamIsUnavailable(t *testing.T) {
	t.Parallel()
	b := connect(t, Remote{URL: natsServer(t, func(o *server.Options) { o.JetStream = false }).ClientURL()})
	reach(t, b)
	wantFaults(t, b, []string{"billing"}, map[string]store.Cause{"billing": store.CauseUnavailable})
	awaitCause(t, b.Consumer("billing", "store"), store.CauseUnavailable)
}

func TestAServerThatDoesNotAnswerIsATimeout(t *testing.T) {
	t.Parallel()
	srv := natsServer(t, nil)
	p := newProxy(t, srv.Addr().String(), 0)
	b := connect(t, Remote{URL: p.url()})
	reach(t, b)
	p.delay.Store(int64(time.Hour))
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	if got := faults(t, b.Publisher().Put(ctx, each(t, "billing"))); got["billing"] != store.CauseTimeout {
		t.Errorf("faults = %v, want a timeout", got)
	}
	p.set("")
	awaitAway(t, b, "the end of the connection", func(error) bool { return true })
	wantFaults(t, b, []string{"billing"}, map[string]store.Cause{"billing": store.CauseUnavailable})
}

func TestAUserThatIsNotLetInIsAPermission(t *testing.T) {
	t.Parallel()
	srv, _ := hubFor(t, nil, nil)
	b := connect(t, Remote{URL: srv.ClientURL(), User: "edge", Password: "wrong"})
	awaitAway(t, b, "the refusal", func(err error) bool { return store.CauseOf(b.fault(t.Context(), "x", "x", err)) == "permission" })
	wantFaults(t, b, []string{"billing"}, map[string]store.Cause{"billing": store.CausePermission})
}

// awaitCause runs c until it waits because of what want says.
func awaitCause(t *testing.T, c *Consumer, want store.Cause) {
	t.Helper()
	into := newMemory()
	stop := running(t, c, into)
	await(t, into, "a consumer that waits: "+string(want), func() bool {
		err := c.Waiting()
		return err != nil && store.CauseOf(err) == want
	})
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAConsumerSaysWhatItLacks(t *testing.T) {
	t.Parallel()
	const js = "$JS.API.CONSUMER."
	for name, c := range map[string]struct {
		publish []string
		want    store.Cause
	}{
		"to look":        {[]string{"$JS.API.STREAM.INFO.>", "$JS.ACK.>"}, store.CausePermission},
		"to make it":     {[]string{js + "INFO.>", js + "MSG.NEXT.>", "$JS.ACK.>"}, store.CausePermission},
		"to fetch":       {[]string{js + "INFO.>", js + "CREATE.>", "$JS.ACK.>"}, store.CausePermission},
		"to acknowledge": {[]string{js + "INFO.>", js + "CREATE.>", js + "MSG.NEXT.>"}, store.CausePermission},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, reader := hubFor(t, c.publish, anyInbox, "billing")
			admin := connect(t, Remote{URL: srv.ClientURL(), User: "admin", Password: "a"})
			reach(t, admin)
			publish(t, admin, 0, 10)
			awaitCause(t, reader.Consumer("billing", "store"), c.want)
		})
	}
	b := embedded(t, 0, "fraud")
	awaitCause(t, b.Consumer("billing", "store"), store.CauseMissing)
}

// TestAReaderNeedsNoMoreThanItsOwnConsumer has the consumer made before, as on a hub.
func TestAReaderNeedsNoMoreThanItsOwnConsumer(t *testing.T) {
	t.Parallel()
	const own = ".CPNI_BILLING.store"
	srv, reader := hubFor(t, []string{"$JS.API.CONSUMER.INFO" + own, "$JS.API.CONSUMER.MSG.NEXT" + own,
		"$JS.ACK" + own + ".>"}, anyInbox, "billing")
	admin := connect(t, Remote{URL: srv.ClientURL(), User: "admin", Password: "a"})
	reach(t, admin)
	if _, err := admin.stream.CreateConsumer(t.Context(), "CPNI_BILLING", consumerConfig("store", false)); err != nil {
		t.Fatal(err)
	}
	publish(t, admin, 0, 10)
	into := newMemory()
	stop := running(t, reader.Consumer("billing", "store"), into)
	await(t, into, "ten and their acknowledgement", func() bool { return into.len() == 10 && confirmed(t, admin, "store") })
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestUsersOfAHubNeedNoMoreThanTheirs has a host that pushes and a storage host with the permissions that store/README.md
// lists for them, and wants that the first can neither publish for another site nor read.
func TestUsersOfAHubNeedNoMoreThanTheirs(t *testing.T) {
	t.Parallel()
	user := func(name string, publish ...string) *server.User {
		return &server.User{Username: name, Password: "x", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: publish},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_" + name + ".>"}}}}
	}
	srv := natsServer(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "admin", Password: "x"},
			user("sbc1", "cpni.v1.*.*.dfw1", "aggregate.v1.*.*.dfw1", "$JS.API.STREAM.INFO.*"),
			user("archive1", "$JS.API.CONSUMER.INFO.*.store-archive1", "$JS.API.CONSUMER.MSG.NEXT.*.store-archive1",
				"$JS.ACK.*.store-archive1.>", "$JS.API.STREAM.INFO.*", "$JS.API.CONSUMER.LIST.*",
				"$JS.API.CONSUMER.RESET.*.store-archive1")}
	})
	as := func(name string) *Bus {
		b := connect(t, Remote{URL: srv.ClientURL(), User: name, Password: "x", Inbox: "_INBOX_" + name})
		reach(t, b)
		return b
	}
	plan := HubPlan{Plan: config("", 0, "billing").Plan, Readers: []Reader{{"billing", "store-archive1"}}}
	if _, _, err := as("admin").Apply(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	edge, archive, into := as("sbc1"), as("archive1"), newMemory()
	stop := running(t, archive.Consumer("billing", "store-archive1"), into)
	if err := edge.Publisher().Put(t.Context(), each(t, "billing")); err != nil {
		t.Fatal(err)
	}
	await(t, into, "ten and their acknowledgement", func() bool {
		return into.len() == 10 && confirmed(t, archive, "store-archive1")
	})
	if err := errors.Join(stop(), archive.Consumer("billing", "store-archive1").Again(t.Context(), nil)); err != nil {
		t.Error(err)
	}
	if archive.Traffic().ServerErrors+edge.Traffic().ServerErrors > 0 {
		t.Errorf("refused: %v, %v", archive.LastServerError(), edge.LastServerError())
	}
	elsewhere := each(t, "billing")
	for i := range elsewhere {
		elsewhere[i].Site = "fra1"
	}
	if got := faults(t, edge.Publisher().Put(t.Context(), elsewhere)); got["billing"] != store.CausePermission {
		t.Errorf("faults of another site = %v, want a permission", got)
	}
	awaitCause(t, edge.Consumer("billing", "store-archive1"), store.CausePermission)
}
