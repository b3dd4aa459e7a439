package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/console"
	"sipsieve/cmd/sipsieve/daemon"

	"sipsieve/capture/capturetest"
	"sipsieve/sip/event"
	"sipsieve/store"
)

// A coop makes messages with canaries in every place: markers that stand for what a person would not want to leave.
type coop struct{ *flock }

// headers are lines with a marker in every place of them: listed headers, unlisted ones, odd ones.
func (c coop) headers() (lines []string) {
	b := c.word
	for _, name := range []string{"P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID", "P-Charge-Info", "Diversion",
		"History-Info", "Referred-By", "Contact", "Record-Route", "Route", "P-Called-Party-ID", "P-Associated-URI", "X-Parent"} {
		lines = append(lines, fmt.Sprintf("%s: \"%s\" <sip:%s@%s.example;%s=%s?%s=%s>;%s=%s", name, b(name+" name"), b(name+" user"),
			b(name+" host"), b(name+" key"), b(name+" value"), b(name+" header"), b(name+" text"), b(name+" key"), b(name+" value")))
	}
	for _, name := range []string{"Subject", "Organization", "Call-Info", "Alert-Info", "Error-Info", "In-Reply-To", "X-Secret",
		"Warning", "Accept-Language", "User-Agent", "Session-ID", "P-Charging-Vector", "Geolocation", "Priority",
		"Resource-Priority", "P-Access-Network-Info", "P-Visited-Network-ID", "Supported", "Require", "Allow", "Event", "Identity",
		"Reason", "Privacy", "Replaces", "MIME-Version", "Date"} {
		lines = append(lines, name+": "+b(name)+";"+b(name)+"="+b(name))
	}
	digest := fmt.Sprintf("Digest username=\"%s\", realm=\"%s\", nonce=\"%s\", uri=\"sip:%s\", response=\"%s\", opaque=\"%s\"",
		b("username"), b("realm"), b("nonce"), b("digest uri"), b("response"), b("opaque"))
	return append(lines, "Authorization: "+digest, "Proxy-Authorization: "+digest)
}

func (c coop) body() string {
	b := c.word
	return "v=0\r\no=" + b("o= user") + " 1 1 IN IP4 192.0.2.1\r\ns=" + b("s=") + "\r\ni=" + b("i=") + "\r\nu=" + b("u=") + "\r\ne=" + b("e=") +
		"\r\np=" + b("p=") + "\r\nc=IN IP4 192.0.2.1\r\nk=" + b("k=") + "\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 99\r\na=rtpmap:99 " +
		b("rtpmap") + "/8000\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + b("crypto") + "\r\na=ice-pwd:" + b("ice") +
		"\r\na=fingerprint:sha-256 " + b("fingerprint") + "\r\na=candidate:" + b("candidate") + "\r\n"
}

// call returns the messages of an answered call with a marker everywhere, and of a MESSAGE and a REGISTER.
func (c coop) call(n int) (messages []string) {
	b := c.word
	id, from, to := c.fresh("Call-ID"), c.fresh("From tag"), c.fresh("To tag")
	ruri := fmt.Sprintf("sip:%s@%s.example;%s=%s", b("R-URI user"), b("R-URI host"), b("R-URI key"), b("R-URI value"))
	party := func(who string) string {
		return fmt.Sprintf("\"%s\" <sip:%s@%s.example;%s=%s>", b(who+" name"), b(who+" user"), b(who+" host"), b(who+" key"), b(who+" value"))
	}
	caller, callee := party("From"), party("To")
	compose := func(start, method, toTag, body string) string {
		head := []string{start, fmt.Sprintf("Via: SIP/2.0/UDP %s.example:5060;branch=z9hG4bK%s;received=%s;%s=%s", b("Via host"),
			fmt.Sprint(method, n), b("received"), b("Via key"), b("Via value")),
			"From: " + caller + ";tag=" + from, "To: " + callee + toTag, "Call-ID: " + id + "@" + b("Call-ID host"), "CSeq: 1 " + method}
		head = append(head, c.headers()...)
		return strings.Join(head, "\r\n") + "\r\nContent-Type: application/sdp\r\nContent-Length: " + fmt.Sprint(len(body)) + "\r\n\r\n" + body
	}
	tag := ";tag=" + to
	return []string{
		compose("INVITE "+ruri+" SIP/2.0", "INVITE", "", c.body()),
		compose("SIP/2.0 180 "+b("reason phrase"), "INVITE", tag, ""),
		compose("SIP/2.0 200 "+b("reason phrase"), "INVITE", tag, c.body()),
		compose("ACK "+ruri+" SIP/2.0", "ACK", tag, ""),
		compose("BYE "+ruri+" SIP/2.0", "BYE", tag, b("BYE body")),
		compose("SIP/2.0 200 "+b("reason phrase"), "BYE", tag, ""),
		compose("MESSAGE "+ruri+" SIP/2.0", "MESSAGE", "", b("MESSAGE body")),
		compose("REGISTER "+ruri+" SIP/2.0", "REGISTER", "", ""),
		compose("SIP/2.0 200 "+b("reason phrase"), "REGISTER", tag, ""),
		compose(b("unknown method")+" "+ruri+" SIP/2.0", "INFO", "", ""),
		b("no SIP at all"),
	}
}

// capture writes the messages of many calls, a flow each.
func (c coop) capture(t *testing.T, calls int) string {
	t.Helper()
	var payloads [][]byte
	for n := range calls {
		for _, text := range c.call(n) {
			payloads = append(payloads, []byte(text))
		}
	}
	frames := capturetest.Datagrams(time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC), time.Second, payloads...)
	var b bytes.Buffer
	if err := capturetest.WritePcap(&b, frames); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "canaries.pcap")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCanariesAreFoundWhereAListNamesThem is the control: a host that stands on the operator's list gets out.
func TestCanariesAreFoundWhereAListNamesThem(t *testing.T) {
	c := coop{newFlock(66)}
	path := c.capture(t, 3)
	listed := ""
	for marker, place := range c.birds {
		if place == "From host" {
			listed = marker
		}
	}
	file := filepath.Join(t.TempDir(), "policy.toml")
	text := "version = 1\nname = \"control\"\nowner = \"tests\"\nreviewed = 2026-11-20\ndefault = \"drop\"\n[lists]\nhosts = [\"" +
		listed + ".example\"]\n[purpose.network_ops]\n" +
		"why = \"w\"\nbasis = \"b\"\nkinds = [\"call\"]\naudience = [\"noc\"]\nretain = \"1 day\"\nretain_why = \"w\"\n" +
		"[purpose.network_ops.fields]\ncaller_domain = { form = \"known\", list = \"hosts\" }\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := execute(t.Context(), []string{"replay", "--policy", file, path}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code = %d: %s", code, stderr.String())
	}
	found := map[string]bool{}
	for _, one := range c.found(stdout.Bytes()) {
		found[c.birds[one.marker]] = true
	}
	if len(found) != 1 || !found["From host"] {
		t.Errorf("found = %v, want From host alone", found)
	}
}

// TestNoCanaryLeaves puts markers in every place of many messages and looks for them in all that leaves: excerpts in
// every format, ledger, standard error, the log at debug level, metrics, status, bus and store on disk. The shipped policy
// keeps no free text of a message as it is: what its fields keep are numbers, words of closed sets, and the operator's own
// names.
func TestNoCanaryLeaves(t *testing.T) {
	t.Parallel()
	c := coop{newFlock(64)}
	path := c.capture(t, 20)
	dir := t.TempDir()
	for _, format := range []string{"jsonl", "csv", "table"} {
		var stdout, stderr bytes.Buffer
		ledger := filepath.Join(dir, "ledger.json")
		if code := execute(t.Context(), []string{"replay", "--demo-keys", "--format", format, "--ledger", ledger, path}, &stdout, &stderr); code != 0 {
			t.Fatalf("exit code = %d: %s", code, stderr.String())
		}
		if n := bytes.Count(stdout.Bytes(), []byte("\n")); n < 20 {
			t.Fatalf("lines = %d: the test shows nothing", n)
		}
		text, err := os.ReadFile(ledger)
		if err != nil {
			t.Fatal(err)
		}
		c.search(t, format, stdout.Bytes())
		c.search(t, "standard error", stderr.Bytes())
		c.search(t, "ledger", text)
	}
	c.searchDaemon(t, path, filepath.Join(dir, "state"))
}

// searchDaemon runs the daemon over the capture and looks at what it shows and what it writes.
func (c coop) searchDaemon(t *testing.T, path, state string) {
	t.Helper()
	cfg := config.Default()
	cfg.State, cfg.Keys.Demo, cfg.LogLevel = state, true, "debug"
	cfg.Bus, cfg.Store = &config.Bus{}, &config.Store{Type: "sqlite"}
	cfg.Source = []config.Source{{Type: "file", Path: path}}
	s, err := config.Resolve(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var log, out bytes.Buffer
	running, err := daemon.New(t.Context(), s, daemon.Options{Log: newLog(cfg, new(slog.LevelVar), &log), Out: &out, Version: version()})
	if err != nil {
		t.Fatal(err)
	}
	d := &console.Console{Daemon: running}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	for d.Ledger().Excerpts["billing"].Acknowledged < 20 {
		time.Sleep(10 * time.Millisecond)
	}
	for _, page := range []string{"/metrics", "/status", "/readyz"} {
		w := httptest.NewRecorder()
		d.Private().ServeHTTP(w, httptest.NewRequest("GET", page, nil))
		c.search(t, page, w.Body.Bytes())
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	c.search(t, "log", log.Bytes())
	if kinds := kindsOf(opsOf(t, s)); kinds[store.Ledger] == 0 || kinds[store.SensorStop] == 0 { // in the files that follow
		t.Errorf("the stream OPS had %v, want a ledger and a stop", kinds)
	}
	c.search(t, "output", out.Bytes())
	files := 0
	err = filepath.WalkDir(state, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files++
		c.search(t, "a file of the bus or store", text)
		c.search(t, "a file name", []byte(path))
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("files = %d, err = %v", files, err)
	}
}

// TestNothingOfAnEventShows prints an event and its record in every way there is.
func TestNothingOfAnEventShows(t *testing.T) {
	c := coop{newFlock(65)}
	s := demoSetup(t, "")
	seen := 0
	follow(t, c.capture(t, 2), 1, func(ev *event.Event) {
		seen++
		r, _ := s.Records.Record(ev)
		var b bytes.Buffer
		nested := struct {
			Event *event.Event
			event event.Event
			r     any
		}{ev, *ev, r}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
			fmt.Fprintf(&b, verb+verb+verb+verb, *ev, r, nested, &r)
		}
		for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
			slog.New(h).Info("x", "event", *ev, "record", r, "nested", struct{ R any }{r})
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Error(err)
		}
		c.search(t, "a printed event", append(b.Bytes(), text...))
	})
	if seen == 0 {
		t.Error("no event: the test shows nothing")
	}
}
