package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"sipsieve/cmd/sipsieve/daemon"
)

const examples = "../../configs/examples"

// example writes a file of configs/examples to dir, with other values in the place of some.
func example(t *testing.T, name, dir string, values ...string) (path string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(examples, name))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(values); i += 2 {
		if !strings.Contains(string(text), values[i]) {
			t.Errorf("%s has no %q", name, values[i])
		}
	}
	path = filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(strings.NewReplacer(values...).Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantRating reads the hub at url with the user of the audience rating: its consumer has so many records of billing, and
// the user may ask for nothing else.
func wantRating(t *testing.T, p *pki, url string, want int) {
	t.Helper()
	key, err := nats.NkeyOptionFromSeed(p.file("rating.seed"))
	if err != nil {
		t.Fatal(err)
	}
	denied := make(chan error, 100)
	conn, err := nats.Connect(url, key, nats.RootCAs(p.file("ca.pem")), nats.CustomInboxPrefix("_INBOX_rating"),
		nats.ClientCert(p.file("rating.pem"), p.file("rating.key")), nats.Timeout(patience),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := js.Consumer(t.Context(), "CPNI_BILLING", "rating")
	if err != nil {
		t.Fatal(err)
	}
	for range want {
		m, err := mine.Next(jetstream.FetchMaxWait(patience))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.DoubleAck(t.Context()); err != nil || !strings.HasPrefix(m.Subject(), "cpni.v1.billing.") {
			t.Fatalf("subject %s, double-ack = %v", m.Subject(), err)
		}
	}
	if info, err := mine.Info(t.Context()); err != nil || info.NumPending != 0 || info.NumAckPending != 0 {
		t.Errorf("the consumer = %+v, %v, want all confirmed", info, err)
	}
	soon, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	for _, request := range []string{"CONSUMER.INFO.CPNI_BILLING.invoicing", "CONSUMER.INFO.CPNI_FRAUD.fraud_desk",
		"CONSUMER.MSG.NEXT.CPNI_FRAUD.fraud_desk", "CONSUMER.CREATE.CPNI_BILLING.mine", "STREAM.MSG.GET.CPNI_BILLING",
		"STREAM.INFO.CPNI_BILLING"} {
		if err := conn.Publish("$JS.API."+request, nil); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-denied:
			if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), request) {
				t.Errorf("%s: %v, want that it is not permitted", request, err)
			}
		case <-soon.Done():
			t.Fatalf("%s: it is permitted", request)
		}
	}
}

// TestTheExamplesWorkTogether runs the hub, an edge, a storage host and a reader with the files of configs/examples, of which
// paths, addresses and keys are those of the test. The hub's users have the permissions of the file.
func TestTheExamplesWorkTogether(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	public := map[string]string{}
	for _, name := range []string{"admin", "edge", "storage", "rating"} {
		p.sign(t, name)
		_, key, seed := newKey(t, nkeys.CreateUser)
		public[name] = key
		p.write(t, name+".seed", seed)
	}
	p.sign(t, "server")
	conf := example(t, "hub.conf", p.dir, "UADMIN", public["admin"], "UEDGE", public["edge"], "USTORAGE", public["storage"],
		"URATING", public["rating"],
		"0.0.0.0:4222", "127.0.0.1:-1", "/var/lib/nats", t.TempDir(), "/etc/nats/server.pem", p.file("server.pem"),
		"/etc/nats/server.key", p.file("server.key"), "/etc/nats/ca.pem", p.file("ca.pem"))
	options, err := server.ProcessConfigFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	srv := natsServer(t, options.StoreDir, func(o *server.Options) {
		options.NoSigs, options.NoLog, options.TLSTimeout = true, true, 60
		*o = *options
	})
	url := "tls://" + srv.Addr().String()

	host := func(name string, values ...string) *site {
		s := newSite(t, 20)
		s.config = example(t, name+".toml", s.dir, append(values, "/etc/sipsieve/hub.seed", p.file(name+".seed"),
			"/etc/sipsieve/hub-ca.pem", p.file("ca.pem"), "/etc/sipsieve/hub.pem", p.file(name+".pem"),
			"/etc/sipsieve/hub.key", p.file(name+".key"), "tls://hub.example.net:4222", url, "\nsensor =",
			"\nstate = \""+filepath.Join(s.dir, "state")+"\"\npolicy = \""+s.atOnce(t)+"\"\n"+
				"http = { listen = \"\" }\nsensor =")...)
		return s
	}
	edge := host("edge", "file = \"/etc/sipsieve/keys.toml\"", "demo = true", "type = \"interface\"\ninterface = \"eth0\"", "type = \"file\"\npath = \""+"CAPTURE"+"\"")
	edge.changes(t, "CAPTURE", edge.capture)
	storage := host("storage")
	var out, complaints strings.Builder
	apply := []string{"bus", "apply", "--config", storage.config, "--nkey", p.file("admin.seed"), "--replicas", "1"}
	if code := execute(t.Context(), apply, &out, &complaints); code != exitFine {
		t.Fatalf("bus apply = %d, %s%s", code, out.String(), complaints.String())
	}
	for _, s := range []*site{edge, storage} {
		if code, text := s.checked(t); code != exitFine {
			t.Errorf("check = %d, %s\nwant that it is fine", code, text)
		}
	}
	want := edge.replayed(t)
	e, q := edge.start(t), storage.start(t)
	edge.up(t)
	storage.up(t)
	until(t, "the records in the storage host", func() bool {
		return storage.status(t).Records["billing"] == len(want) && storage.keeper(t, daemon.PlaceStore).Behind == 0
	})
	same(t, storage.stored(t), want)
	wantRating(t, p, url, len(want))
	edge.awaits(t, "")
	storage.awaits(t, "")
	for _, one := range []*process{e, q} {
		if code := one.stop(t, syscall.SIGTERM); code != 0 {
			t.Errorf("exit code = %d, want 0\n%s", code, one.stderr.String())
		}
	}
}
