package main

import (
	"bytes"
	"context"
	"encoding/base64"
	little "encoding/binary"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/console"
	"sipsieve/cmd/sipsieve/daemon"

	"sipsieve/capture/capturetest"
	"sipsieve/store"
	"sipsieve/store/cpni"
)

// A nest makes canaries that look like what the fields of closed lists and shapes hold: names of trunk groups, models,
// versions, hosts, ids, interfaces and files.
type nest struct{ *flock }

// word returns the marker of a place, of letters and digits, short enough for a model.
func (n nest) word(place string) string {
	if n.words[place] == "" {
		n.words[place] = fmt.Sprintf("zq%07xw", n.r.Uint32()&0xfffffff)
		n.birds[n.words[place]] = place
	}
	return n.words[place]
}

// number returns a new telephone number written with dots, and marks it in its other forms too.
func (n nest) number(place string) string {
	d := fmt.Sprintf("%03d%03d%04d", 301+n.r.IntN(600), 200+n.r.IntN(799), n.r.IntN(10_000))
	dotted := d[:3] + "." + d[3:6] + "." + d[6:]
	n.birds[d], n.birds[dotted], n.birds["1."+dotted] = place, place, place
	return dotted
}

// id returns a new marker of 32 hexadecimal digits: no UUID in its canonical form.
func (n nest) id(place string) string {
	marker := fmt.Sprintf("%016x%016x", n.r.Uint64(), n.r.Uint64())
	n.birds[marker] = place
	return marker
}

// passport returns an Identity header whose claims hold markers.
func (n nest) passport(now time.Time) string {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	head := fmt.Sprintf(`{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://%s.%s.net/%s.cer?%s"}`, n.word("x5u host"),
		n.word("x5u domain"), n.word("x5u path"), n.word("x5u query"))
	body := fmt.Sprintf(`{"attest":"A","dest":{"tn":["%s"]},"iat":%d,"orig":{"tn":"%s"},"origid":"%s"}`, n.word("dest"), now.Unix(),
		n.word("orig"), n.id("origid"))
	return "Identity: " + part(head) + "." + part(body) + ".c2ln;info=<https://" + n.word("info") + ".example/c>;alg=ES256;ppt=shaken"
}

// messages returns an answered call and a registration of one device with markers where closed lists and shapes are read.
func (n nest) messages(i int, now time.Time) (list []string) {
	agent := []string{"Yealink SIP-" + n.word("model") + " " + n.number("firmware"), "Yealink SIP-T46S " + n.number("firmware"),
		"snom" + n.word("model") + "/1." + n.number("firmware"), "Fanvil X4 " + n.word("behind the model"),
		"Asterisk PBX " + n.number("version"), "Cisco-CP" + n.word("model") + "/" + n.number("firmware"),
		n.word("whole agent"), "AVM FRITZ!Box 7590 " + n.number("firmware")}[i%8]
	tag, callID := fmt.Sprint("t", i), fmt.Sprint("call-", i, "@x.example")
	compose := func(start, method, toTag string) string {
		return strings.Join([]string{start, fmt.Sprintf("Via: SIP/2.0/UDP %s.example;branch=z9hG4bK%s%d", n.word("Via host"), method, i),
			"From: <sip:+13035550101@" + n.word("From host") + ".example;cpc=" + n.word("cpc") + ";isup-oli=" + n.word("oli") + ";verstat=" +
				n.word("verstat") + ">;tag=f" + tag, "To: <sip:+13035550102@" + n.word("To host") + ".example>" + toTag,
			"Call-ID: " + callID, "CSeq: 1 " + method, "User-Agent: " + agent, "Server: " + agent, n.passport(now),
			"Contact: <sip:x;tgrp=" + n.word("tgrp") + ";trunk-context=" + n.word("trunk-context") + "@192.0.2.9>;reg-id=" +
				strings.ReplaceAll(n.number("reg-id"), ".", "") + ";expires=3600", "Session-Expires: " +
				strings.ReplaceAll(n.number("Session-Expires"), ".", ""), "P-Charging-Vector: icid-value=" + n.word("icid") + ";orig-ioi=" +
				n.word("ioi"), "P-Visited-Network-ID: " + n.word("visited network"), "Resource-Priority: " + n.word("namespace") + ".1",
			"Event: " + n.word("event"), "Supported: " + n.word("option"), "Allow: " + n.word("method"), "Privacy: " + n.word("privacy"),
			"Reason: Q.850;cause=16;text=\"" + n.word("reason text") + "\"", "Diversion: <sip:+13035550103@x.example>;reason=" +
				n.word("diversion reason"), "Geolocation: <cid:" + n.word("location") + ">",
			"P-Access-Network-Info: " + n.word("access network"), "Authorization: Digest username=\"" + n.word("user") + "\", realm=\"" +
				n.word("realm") + "\"", "Record-Route: <sip:" + n.word("route") + ".example;lr>", "Content-Length: 0", "", ""}, "\r\n")
	}
	uri := fmt.Sprintf("sip:+13035550102;cic=%s;rn=%s;tgrp=%s@%s.example", n.word("cic"), n.word("rn"), n.word("R-URI tgrp"), n.word("R-URI host"))
	to := ";tag=" + tag
	return []string{compose("INVITE "+uri+" SIP/2.0", "INVITE", ""), compose("SIP/2.0 200 OK", "INVITE", to),
		compose("ACK "+uri+" SIP/2.0", "ACK", to), compose("BYE "+uri+" SIP/2.0", "BYE", to), compose("SIP/2.0 200 OK", "BYE", to),
		compose("REGISTER sip:x.example SIP/2.0", "REGISTER", ""), compose("SIP/2.0 200 OK", "REGISTER", to)}
}

// capture returns a pcapng of many calls, by two interfaces whose names, descriptions and comments are markers.
func (n nest) capture(calls int) []byte {
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	var payloads [][]byte
	for i := range calls {
		for _, text := range n.messages(i, now) {
			payloads = append(payloads, []byte(text))
		}
	}
	var b []byte
	block := func(kind uint32, body []byte) {
		size := uint32(12 + (len(body)+3)&^3)
		b = little.LittleEndian.AppendUint32(little.LittleEndian.AppendUint32(b, kind), size)
		b = append(append(b, body...), make([]byte, int(size)-12-len(body))...)
		b = little.LittleEndian.AppendUint32(b, size)
	}
	option := func(to []byte, code uint16, value string) []byte {
		to = little.LittleEndian.AppendUint16(little.LittleEndian.AppendUint16(to, code), uint16(len(value)))
		return append(append(to, value...), make([]byte, (4-len(value)%4)%4)...)
	}
	section := little.LittleEndian.AppendUint32(nil, 0x1a2b3c4d)
	section = little.LittleEndian.AppendUint64(append(section, 1, 0, 0, 0), 1<<64-1)
	block(0x0a0d0d0a, option(option(section, 1, n.word("comment")), 2, n.word("hardware")))
	for range 2 {
		block(1, option(option([]byte{1, 0, 0, 0, 0, 0, 4, 0}, 2, n.word("interface name")), 3, n.word("interface description")))
	}
	for i, f := range capturetest.Datagrams(now, 100*time.Millisecond, payloads...) {
		us := uint64(f.Time.UnixMicro())
		body := little.LittleEndian.AppendUint32(nil, uint32(i%2))
		body = little.LittleEndian.AppendUint32(little.LittleEndian.AppendUint32(body, uint32(us>>32)), uint32(us))
		body = little.LittleEndian.AppendUint32(little.LittleEndian.AppendUint32(body, uint32(len(f.Data))), uint32(len(f.Data)))
		block(6, append(body, f.Data...))
	}
	return b
}

// keepAll is a policy whose purpose keeps every field of every kind as far as the register allows it.
func keepAll(t *testing.T) string {
	t.Helper()
	text := "version = 1\nname = \"all\"\nowner = \"tests\"\nreviewed = 2026-11-20\ndefault = \"drop\"\n[lists]\nnone = [\"nothing\"]\n" +
		"[purpose.emergency]\nwhy = \"w\"\nbasis = \"b\"\nkinds = [\"call\", \"registration\", \"device\"]\nstages = [\"start\", \"stop\"]\n" +
		"audience = [\"desk\"]\nretain = \"10 years\"\nretain_why = \"r\"\nwhen = \"emergency\"\n[purpose.emergency.fields]\n"
	text = strings.NewReplacer("purpose.emergency", "purpose.billing", "when = \"emergency\"\n", "").Replace(text)
	for f := range cpni.Field(cpni.Fields()) {
		e := f.Entry()
		for _, form := range []string{"keep", "known", "family", "pseudonym"} {
			if e.Never || !slices.Contains(e.Transforms, form) {
				continue
			}
			list := ""
			if form == "known" {
				list = "list = \"none\", "
			}
			text += fmt.Sprintf("%s = { form = %q, %sbecause = \"a test\" }\n", e.Name, form, list)
			break
		}
	}
	return text
}

// TestNoCanaryLeavesThroughAClosedList puts markers where closed lists and shapes are read, and into names of interfaces
// and files, and looks for them in all that leaves: even of a purpose that keeps all that may be kept.
func TestNoCanaryLeavesThroughAClosedList(t *testing.T) {
	t.Parallel()
	n := nest{newFlock(811)}
	capture := n.capture(24)
	dir := t.TempDir()
	path := filepath.Join(dir, n.word("file name")+".pcapng")
	folder := filepath.Join(dir, "folder")
	again := filepath.Join(folder, n.word("file name in a folder")+".pcapng")
	broken := filepath.Join(folder, n.word("name of a broken file")+".pcapng")
	all := filepath.Join(dir, "all.toml")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{path: capture[:len(capture)-9], again: capture, broken: []byte("none"),
		all: []byte(keepAll(t))} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-time.Hour)
	if err := errorsOf(os.Chtimes(again, old, old), os.Chtimes(broken, old, old)); err != nil {
		t.Fatal(err)
	}
	for _, policy := range []string{"../../configs/policy.toml", all} {
		for _, format := range []string{"jsonl", "csv", "table"} {
			var stdout, stderr bytes.Buffer
			ledger := filepath.Join(dir, "ledger.json")
			args := []string{"replay", "--demo-keys", "--policy", policy, "--format", format, "--ledger", ledger, path}
			if code := execute(t.Context(), args, &stdout, &stderr); code != 0 {
				t.Fatalf("exit code = %d: %s", code, stderr.String())
			}
			text, err := os.ReadFile(ledger)
			if lines := bytes.Count(stdout.Bytes(), []byte("\n")); err != nil || lines < 48 || bytes.Contains(text, []byte(`"misfits": 1`)) {
				t.Fatalf("%d lines, %v, %s: the test shows nothing", lines, err, text)
			}
			n.search(t, format, stdout.Bytes())
			n.search(t, "standard error", bytes.ReplaceAll(stderr.Bytes(), []byte(filepath.Base(path)), nil)) // as it was asked for
			n.search(t, "ledger", text)
		}
	}
	for _, source := range []config.Source{{Type: "file", Path: path}, {Type: "directory", Path: folder, Settle: "1s"}} {
		n.searchDaemon(t, all, source, filepath.Join(dir, "state-"+source.Type))
	}
}

// searchDaemon runs the daemon over a source and looks at what it shows and what it writes.
func (n nest) searchDaemon(t *testing.T, policy string, source config.Source, state string) {
	t.Helper()
	cfg := config.Default()
	cfg.State, cfg.Keys.Demo, cfg.LogLevel, cfg.Rules.File = state, true, "debug", policy
	cfg.Bus, cfg.Store, cfg.Source = &config.Bus{}, &config.Store{Type: "sqlite"}, []config.Source{source}
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
	for d.Ledger().Excerpts["billing"].Acknowledged < 48 || len(d.Troubles()) == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	for _, page := range []string{"/metrics", "/status", "/readyz"} {
		w := httptest.NewRecorder()
		d.Private().ServeHTTP(w, httptest.NewRequest("GET", page, nil))
		n.search(t, source.Type+": "+page, w.Body.Bytes())
	}
	stop()
	if err := errorsOf(<-done, d.Close()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(log.Bytes(), []byte("not read to its end")) {
		t.Errorf("log = %s: want a file that is broken", log.Bytes())
	}
	if kinds := kindsOf(opsOf(t, s)); kinds[store.Ledger] == 0 || kinds[store.SensorStop] == 0 { // in the files that follow
		t.Errorf("the stream OPS had %v, want a ledger and a stop", kinds)
	}
	n.search(t, source.Type+": log", log.Bytes())
	n.search(t, source.Type+": output", out.Bytes())
	files := 0
	err = filepath.WalkDir(state, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files++
		rel, _ := filepath.Rel(state, path)
		n.search(t, source.Type+": "+rel, append(text, rel...))
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("files = %d, err = %v", files, err)
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
