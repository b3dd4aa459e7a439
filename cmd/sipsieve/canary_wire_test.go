package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"sipsieve/cmd/sipsieve/daemon"

	"sipsieve/capture/capturetest"
)

// compactNames are the short forms of header names (RFC 3261 section 7.3.3 and later ones).
var compactNames = map[string]string{"Via": "v", "From": "f", "To": "t", "Call-ID": "i", "Contact": "m", "Subject": "s",
	"Supported": "k", "Event": "o", "Referred-By": "b", "Identity": "y", "Content-Type": "c", "Content-Length": "l"}

var (
	inUser = regexp.MustCompile(`sip:([g-z0189]{16})@`)
	inName = regexp.MustCompile(`"([g-z0189]{16})" <`)
	inLine = regexp.MustCompile(`(?m)^(Subject|X-Secret|Organization|Call-Info): ([g-z0189]{16})`)
)

// A dress writes a message of the canaries in another way that means the same, or carries the same.
type dress func(text string) string

var dresses = []dress{
	func(text string) string { return text },
	func(text string) string { // compact and folded
		head, body, _ := strings.Cut(text, "\r\n\r\n")
		lines := strings.Split(head, "\r\n")
		for i, line := range lines {
			name, value, is := strings.Cut(line, ": ")
			if short := compactNames[name]; i > 0 && is && short != "" {
				lines[i] = short + " :\t" + value
			}
			if i > 0 && !strings.HasPrefix(name, "Content") {
				lines[i] = strings.Replace(lines[i], ";", "\r\n ;", 1)
			}
		}
		return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
	},
	func(text string) string { // escapes of URIs and of quoted strings, and text in base64
		text = inUser.ReplaceAllStringFunc(text, func(m string) string { return "sip:" + each("%%%02X", m[4:20]) + "@" })
		text = inName.ReplaceAllStringFunc(text, func(m string) string { return `"` + each(`\%c`, m[1:17]) + `" <` })
		return inLine.ReplaceAllStringFunc(text, func(m string) string {
			name, value, _ := strings.Cut(m, ": ")
			return name + ": " + base64.StdEncoding.EncodeToString([]byte(value))
		})
	},
	func(text string) string { // UTF-8 around, and capital letters
		text = inName.ReplaceAllString(text, `"Zoë $1 漢字" <`)
		return inLine.ReplaceAllStringFunc(text, func(m string) string { return m[:len(m)-16] + "ÿ" + strings.ToUpper(m[len(m)-16:]) })
	},
}

// A carriage is how a message travels: the IPv4 packets of it. base is the number of the stream's next byte.
type carriage func(ip layers.IPv4, text []byte, base *uint32) [][]byte

var carriages = []carriage{
	func(ip layers.IPv4, text []byte, _ *uint32) [][]byte { return [][]byte{packetOf(ip, udpOf(ip, text))} },
	func(ip layers.IPv4, text []byte, _ *uint32) (list [][]byte) { // fragments of UDP
		whole := udpOf(ip, text)
		for from := 0; from < len(whole); from += 408 {
			to := min(from+408, len(whole))
			ip.FragOffset, ip.Flags = uint16(from/8), 0
			if to < len(whole) {
				ip.Flags = layers.IPv4MoreFragments
			}
			list = append(list, packetOf(ip, whole[from:to]))
		}
		slices.Reverse(list) // the last one first
		return list
	},
	func(ip layers.IPv4, text []byte, base *uint32) (list [][]byte) { // segments of TCP
		ip.Protocol = layers.IPProtocolTCP
		for len(text) > 0 {
			n := min(333, len(text))
			tcp := layers.TCP{SrcPort: 5060, DstPort: 5060, Seq: *base, ACK: true, PSH: true, Window: 65535}
			_ = tcp.SetNetworkLayerForChecksum(&ip)
			list = append(list, packetOf(ip, serialized(&tcp, gopacket.Payload(text[:n]))))
			*base += uint32(n)
			ip.Id++
			text = text[n:]
		}
		return list
	},
}

func serialized(list ...gopacket.SerializableLayer) []byte {
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, list...); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func udpOf(ip layers.IPv4, text []byte) []byte {
	udp := layers.UDP{SrcPort: 5060, DstPort: 5060}
	_ = udp.SetNetworkLayerForChecksum(&ip)
	return serialized(&udp, gopacket.Payload(text))
}

func packetOf(ip layers.IPv4, payload []byte) []byte {
	ether := layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 1}, DstMAC: []byte{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
	return serialized(&ether, &ip, gopacket.Payload(payload))
}

// A road is one way from the caller's host to the callee's: each has hosts of its own, and a stream each way.
type road struct {
	carry carriage
	ends  [2]netip.Addr
	next  [2]uint32
	id    uint16
}

// frames returns the frames of the messages of one call: responses and the BYE's go back.
func (r *road) frames(start time.Time, messages []string) (list []capturetest.Frame) {
	for i, text := range messages {
		way := 0
		if strings.HasPrefix(text, "SIP/2.0") {
			way = 1
		}
		r.id += 50
		ip := layers.IPv4{Version: 4, IHL: 5, TTL: 64, Id: r.id, Protocol: layers.IPProtocolUDP, SrcIP: r.ends[way].AsSlice(),
			DstIP: r.ends[1-way].AsSlice()}
		for n, packet := range r.carry(ip, []byte(text), &r.next[way]) {
			at := start.Add(time.Duration(i)*time.Second + time.Duration(n)*time.Millisecond)
			list = append(list, capturetest.Frame{Time: at, Data: packet, Link: 1}) // Ethernet
		}
	}
	return list
}

// onTheRoad writes a capture of the messages of calls, a minute apart, one in every dress by every carriage.
func onTheRoad(t *testing.T, path string, start time.Time, call func(n int) []string) {
	t.Helper()
	var frames []capturetest.Frame
	n := 0
	for i, carry := range carriages {
		for j, wear := range dresses {
			r := &road{carry: carry, next: [2]uint32{1000, 5000}}
			for end := range 2 {
				r.ends[end] = netip.AddrFrom4([4]byte{10, 0, byte(start.Hour()), byte(10 + 2*(i*len(dresses)+j) + end)})
			}
			messages := call(n)
			for k, text := range messages {
				messages[k] = wear(text)
			}
			frames = append(frames, r.frames(start.Add(time.Duration(n)*time.Minute), messages)...)
			n++
		}
	}
	var b bytes.Buffer
	if err := capturetest.WritePcap(&b, frames); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := errorsOf(os.WriteFile(path, b.Bytes(), 0o600), os.Chtimes(path, old, old)); err != nil {
		t.Fatal(err)
	}
}

// searchFolder looks at every file below a folder, and at its name.
func (f *flock) searchFolder(t *testing.T, folder string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(folder, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || !e.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		files++
		rel, _ := filepath.Rel(folder, path)
		f.search(t, rel, append(text, rel...))
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("files = %d, err = %v", files, err)
	}
}

// searchVerbs looks at what the verbs print for every purpose, with the daemon at work.
func (f *flock) searchVerbs(t *testing.T, s *site, capture string) {
	t.Helper()
	lists := [][]string{{"status", "--config", s.config}, {"doctor", "--config", s.config, "--for", "1s"}, {"check", "--config", s.config},
		{"policy", "risk", "--pcap", capture}, {"policy", "preview", "--pcap", capture},
		{"policy", "preview", "--pcap", capture, "--format", "json"}, {"policy", "explain", "--format", "html"}, {"policy", "map"},
		{"replay", "--demo-keys", "--format", "parquet", "--purpose", "billing", capture}}
	for _, format := range []string{"jsonl", "csv", "table"} {
		lists = append(lists, []string{"replay", "--demo-keys", "--format", format, capture})
	}
	for _, purpose := range []string{"billing", "fraud", "network_ops"} {
		as := []string{"--config", s.config, "--purpose", purpose, "--request", "test-1"}
		for _, format := range []string{"jsonl", "csv", "table", "parquet"} {
			lists = append(lists, slices.Concat([]string{"query", "--format", format}, as))
		}
		lists = append(lists, slices.Concat([]string{"report", "traffic", "--by", "hour"}, as))
		tail := s.launch(t, slices.Concat([]string{binary(t), "tail", "--all"}, as)...)
		for range 5 {
			f.search(t, "tail", []byte(<-tail.lines))
		}
		tail.stop(t, syscall.SIGTERM)
		f.search(t, "standard error of tail", tail.stderr.Bytes())
	}
	for _, args := range lists {
		var stdout, stderr bytes.Buffer
		cmd := exec.Command(binary(t), args...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); stdout.Len() == 0 {
			t.Errorf("%v: %v, nothing is printed: %s", args, err, stderr.String())
		}
		f.search(t, strings.Join(args, " "), append(stdout.Bytes(), stderr.Bytes()...))
	}
}

// reports waits until the daemon answers, and so is true of what it reports.
func (s *site) reports(t *testing.T, what string, so func(*daemon.Status) bool) {
	t.Helper()
	for limit := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		report, err := s.reported(t.Context())
		if err == nil && so(&report) {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%s: %v, %+v, %v", what, err, report.Ledger.Calls, report.Records)
		}
	}
}

// TestNoCanaryLeavesByAnyRoad puts markers into messages that travel as datagrams, fragments and segments, folded, in
// compact form, escaped, in base64 and among UTF-8, has the daemon watch their folder with its log at debug level, kills it,
// starts it again, reads by every verb, and looks for the markers in every byte that there is. What waits in checkpoints
// is opened by TestNothingOfACallIsInTheJournal.
func TestNoCanaryLeavesByAnyRoad(t *testing.T) {
	if os.Getenv("SIPSIEVE_FULL") == "" {
		t.Skip("takes half a minute: run by .ci/run full")
	}
	t.Parallel()
	c := coop{newFlock(68)}
	s := newSite(t, 1)
	folder := filepath.Join(s.dir, "captures")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	s.follows(t, folder)
	settings, err := os.ReadFile(s.config)
	if err := errorsOf(err, os.WriteFile(s.config, append([]byte("log_level = \"debug\"\n"), settings...), 0o600)); err != nil {
		t.Fatal(err)
	}
	calls := len(carriages) * len(dresses)
	first, start := filepath.Join(folder, "a.pcap"), time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	onTheRoad(t, first, start, func(n int) []string { return c.call(n)[:9] }) // behind them is no SIP, which other tests have
	whole, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	p := s.start(t)
	stored := func(r *daemon.Status) bool { return r.Records["billing"] >= calls }
	s.reports(t, "records", stored)
	onTheRoad(t, filepath.Join(folder, "b.pcap"), start.Add(time.Hour), func(n int) []string { return c.call(n + calls)[:2] })
	s.reports(t, "open calls", func(r *daemon.Status) bool {
		return r.Ledger.Calls.Opened == uint64(2*calls) && r.Ledger.Calls.Live > 0
	})
	p.stop(t, syscall.SIGKILL)
	c.search(t, "the log", p.stderr.Bytes())
	c.searchFolder(t, filepath.Join(s.dir, "state")) // with the files beside databases that a kill leaves
	p = s.start(t)
	s.reports(t, "records after the restart", stored)
	c.searchVerbs(t, s, first)
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	c.search(t, "the log after the restart", p.stderr.Bytes())
	c.searchFolder(t, filepath.Join(s.dir, "state"))
	if len(c.found(whole)) < len(c.birds)/2 {
		t.Errorf("%d of %d markers are in the capture: the test shows nothing", len(c.found(whole)), len(c.birds))
	}
}

// shownNumbers are the places of a call's messages whose number a purpose of the shipped policy keeps in clear, each with
// its field. No number of another place shows anywhere.
var shownNumbers = map[string]map[string]string{
	"billing": {"From": "caller_number", "To": "called_number", "R-URI": "dialed_number", "P-Asserted-Identity": "asserted_number",
		"Diversion": "diversion_number", "P-Charge-Info": "charge_number", "rn": "routing_number"},
	"fraud": {}, "network_ops": {}, "emergency": {},
}

// ringWithNumbers returns an answered call with a number of its own in every place that can have one.
func ringWithNumbers(f *flock, n int) (messages []string) {
	number := func(place string) string { return "+" + f.number(place) }
	from, to := number("From"), number("To")
	compose := func(start, method, toTag string) string {
		body := "v=0\r\no=" + number("o=") + " 1 1 IN IP4 192.0.2.1\r\ns=" + number("s=") + "\r\np=" + number("p=") +
			"\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
		lines := []string{start, "Via: SIP/2.0/UDP " + number("Via host") + ".example;branch=z9hG4bK" + method + strings.Repeat("x", n+1),
			`From: "` + number("From name") + `" <sip:` + from + "@x.example;p=" + number("From parameter") + ">;tag=f",
			`To: "` + number("To name") + `" <sip:` + to + "@x.example>" + toTag, "Call-ID: " + strings.Repeat("c", n+1) + "@x", "CSeq: 1 " + method,
			`P-Asserted-Identity: "` + number("P-Asserted-Identity name") + `" <sip:` + f.words["P-Asserted-Identity"] + "@x>",
			"P-Preferred-Identity: <sip:" + number("P-Preferred-Identity") + "@x>", "Remote-Party-ID: <sip:" + number("Remote-Party-ID") + "@x>",
			"P-Charge-Info: <sip:" + f.words["P-Charge-Info"] + "@x>", "Diversion: <sip:" + f.words["Diversion"] + "@x>;reason=no-answer",
			"History-Info: <sip:" + number("History-Info") + "@x>;index=1", "Referred-By: <sip:" + number("Referred-By") + "@x>",
			"Contact: <sip:" + number("Contact") + "@192.0.2.1>", "P-Called-Party-ID: <sip:" + number("P-Called-Party-ID") + "@x>",
			"Record-Route: <sip:" + number("Record-Route") + "@x;lr>", "Subject: call " + number("Subject"), "X-Note: " + number("X-Note"),
			"User-Agent: Yealink SIP-T46S " + number("User-Agent"), "In-Reply-To: " + number("In-Reply-To") + "@x",
			"Call-Info: <http://x/" + number("Call-Info") + ">", "P-Charging-Vector: icid-value=" + number("icid") + ";orig-ioi=" + number("ioi"),
			`Authorization: Digest username="` + number("username") + `", realm="x", nonce="n", uri="sip:x", response="r"`,
			`Reason: Q.850;cause=16;text="` + number("Reason") + `"`, "Content-Type: application/sdp"}
		return strings.Join(lines, "\r\n") + "\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	}
	for _, place := range []string{"P-Asserted-Identity", "P-Charge-Info", "Diversion"} { // one in all messages of a call
		f.words[place] = number(place)
	}
	uri := "sip:" + number("R-URI") + ";rn=" + number("rn") + ";postd=" + number("postd") + "@x.example;tgrp=" + number("tgrp")
	return []string{compose("INVITE "+uri+" SIP/2.0", "INVITE", ""), compose("SIP/2.0 200 "+number("phrase"), "INVITE", ";tag=t"),
		compose("ACK "+uri+" SIP/2.0", "ACK", ";tag=t"), compose("BYE "+uri+" SIP/2.0", "BYE", ";tag=t"), compose("SIP/2.0 200 OK", "BYE", ";tag=t")}
}

// TestANumberShowsOnlyWhereThePolicyKeepsIt puts another number into every place of calls by every road, and compares the
// fields in which one shows, for each purpose, with a list: nothing else has one, and everything listed has one.
func TestANumberShowsOnlyWhereThePolicyKeepsIt(t *testing.T) {
	t.Parallel()
	f := newFlock(69)
	path := filepath.Join(t.TempDir(), "numbers.pcap")
	onTheRoad(t, path, time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC), func(n int) []string { return ringWithNumbers(f, n) })
	for purpose, want := range shownNumbers {
		var stdout, stderr bytes.Buffer
		if code := execute(t.Context(), []string{"replay", "--demo-keys", "--purpose", purpose, path}, &stdout, &stderr); code != exitFine {
			t.Fatalf("exit code = %d: %s", code, stderr.String())
		}
		f.search(t, "standard error", stderr.Bytes())
		got := map[string]string{}
		for line := range strings.Lines(stdout.String()) {
			var body map[string]json.RawMessage
			if err := json.Unmarshal([]byte(line), &body); err != nil {
				t.Fatal(err)
			}
			for key, value := range body {
				for _, one := range f.found(value) {
					if place := f.birds[one.marker]; got[place] == "" || got[place] == key {
						got[place] = key
					} else {
						t.Errorf("%s: the number of %s shows in %s and in %s", purpose, place, got[place], key)
					}
				}
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: numbers show of %v, want %v", purpose, got, want)
		}
	}
}
