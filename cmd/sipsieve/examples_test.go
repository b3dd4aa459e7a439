package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
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

// TestTheExamplesWorkTogether runs the hub, an edge and a storage host with the files of configs/examples, of which
// paths, addresses and keys are those of the test. The hub's users have the permissions of the file.
func TestTheExamplesWorkTogether(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	public := map[string]string{}
	for _, name := range []string{"admin", "edge", "storage"} {
		p.sign(t, name)
		_, key, seed := newKey(t, nkeys.CreateUser)
		public[name] = key
		p.write(t, name+".seed", seed)
	}
	p.sign(t, "server")
	conf := example(t, "hub.conf", p.dir, "UADMIN", public["admin"], "UEDGE", public["edge"], "USTORAGE", public["storage"],
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
			"\nstate = \""+filepath.Join(s.dir, "state")+"\"\npolicy = \"../../configs/quickstart-policy.toml\"\n"+
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
	edge.awaits(t, "")
	storage.awaits(t, "")
	for _, one := range []*process{e, q} {
		if code := one.stop(t, syscall.SIGTERM); code != 0 {
			t.Errorf("exit code = %d, want 0\n%s", code, one.stderr.String())
		}
	}
}
