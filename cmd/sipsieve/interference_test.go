package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/capture/capturetest"
	"sipsieve/store/cpni"
)

// ladderWithChoices is an answered call with a transfer header, and a registration. Every <<NAME|ONE|OTHER>> is a place
// in which two captures may differ.
var ladderWithChoices = []string{
	`INVITE sip:<<dialed|+13035550102|+442079460000>>@<<dialed host|10.0.0.2|10.0.0.3>><<routing|;rn=+13035550000|>> SIP/2.0
Via: SIP/2.0/<<transport|UDP|TCP>> <<sent-by|192.0.2.10|192.0.2.20>>:5060;branch=z9hG4bK1<<received|;received=198.51.100.7|>>
From: <<caller name|"Ada" |>><sip:<<caller|+13035550101|+4930123456>>@<<caller host|a.example|b.example>><<category|;cpc=payphone|>>>;tag=<<caller tag|t1|t2>>
To: <sip:<<called|+13035550102|+13035550199>>@c.example>
Call-ID: <<call-id|c1|c2>>@x
CSeq: 1 INVITE
Contact: <sip:<<contact|u1|u2>>@<<contact host|192.0.2.9|192.0.2.8>>><<instance|;+sip.instance="<urn:uuid:00000000-0000-1000-8000-001565aabbcc>"|>>
P-Asserted-Identity: <sip:<<asserted|+13035550103|+33123456789>>@x>
Remote-Party-ID: <sip:<<claimed|+13035550112|+13035550113>>@x>;privacy=<<claimed privacy|off|full>>
P-Charge-Info: <sip:<<charged|+13035550114|+13035550115>>@x>
P-Charging-Vector: icid-value=<<icid|abc|def>>;orig-ioi=<<ioi|home1.example|home2.example>>
Diversion: <sip:<<diverting|+13035550105|+13035550106>>@x>;reason=<<diversion reason|no-answer|user-busy>>;counter=<<diversions|2|3>>
History-Info: <sip:<<earlier|+13035550120|+13035550121>>@x>;index=1
Referred-By: <sip:<<referrer|+13035550115|+13035550116>>@x>
Privacy: <<privacy|none|id>>
User-Agent: <<agent|Yealink SIP-T46S 66.85.0.5|Linphone/4.1>>
Supported: <<options|100rel|timer>>
Allow: <<methods|INVITE,ACK|INVITE,ACK,UPDATE>>
Session-Expires: <<timer|1800|3600>>
Priority: <<priority|normal|emergency>>
Resource-Priority: <<resource|esnet.1|wps.2>>
Record-Route: <sip:<<route|p1.example|p2.example>>;lr>
Session-ID: <<session-id|ab30317f1a784dc48ff824d0d3715d86|bb30317f1a784dc48ff824d0d3715d86>>
Subject: <<subject|hello|bye>>
X-Note: <<note|a|b>>
Content-Type: application/sdp

v=0
o=<<sdp user|-|someone>> <<sdp session|1|2>> 1 IN IP4 192.0.2.11
s=<<sdp name|-|a talk>>
c=IN IP4 <<media|192.0.2.11|192.0.2.12>>
t=0 0
m=<<media type|audio|video>> 4000 <<profile|RTP/AVP|RTP/SAVP>> <<codec|0|8>>
`,
	`SIP/2.0 180 <<phrase|Ringing|Wait>>
To: <sip:+13035550102@c.example>;tag=b1
`,
	`SIP/2.0 200 OK
To: <sip:+13035550102@c.example>;tag=b1
Server: <<server|Asterisk PBX 18|FreeSWITCH>>
`,
	`BYE sip:+13035550102@10.0.0.2 SIP/2.0
To: <sip:+13035550102@c.example>;tag=b1
Reason: Q.850;cause=<<cause|16|31>>;text="<<cause text|x|y>>"
`,
	`SIP/2.0 200 OK
To: <sip:+13035550102@c.example>;tag=b1
`,
}

var choiceMark = regexp.MustCompile(`<<([^|>]*)\|([^|]*)\|([^|]*?)>>`)

// choices returns the names of the places.
func choices() (names []string) {
	for _, text := range ladderWithChoices {
		for _, m := range choiceMark.FindAllStringSubmatch(text, -1) {
			names = append(names, m[1])
		}
	}
	return names
}

// withChoices writes the capture in which the places named have their other text.
func withChoices(t *testing.T, others map[string]bool) string {
	t.Helper()
	choose := func(text string) string {
		return choiceMark.ReplaceAllStringFunc(text, func(mark string) string {
			m := choiceMark.FindStringSubmatch(mark)
			if others[m[1]] {
				return m[3]
			}
			return m[2]
		})
	}
	head := map[string]string{}
	var payloads [][]byte
	cseq := map[int]string{1: "1 INVITE", 2: "1 INVITE", 3: "2 BYE", 4: "2 BYE"}
	for i, text := range ladderWithChoices {
		start, rest, _ := strings.Cut(choose(text), "\n")
		lines, body, _ := strings.Cut(rest, "\n\n")
		for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
			if name, _, _ := strings.Cut(line, ":"); i == 0 && (name == "Via" || name == "From" || name == "Call-ID") {
				head[name] = line
			}
		}
		if i > 0 {
			lines = head["Via"] + "\n" + head["From"] + "\n" + head["Call-ID"] + "\nCSeq: " + cseq[i] + "\n" + lines
		}
		message := start + "\n" + strings.TrimSpace(lines) + fmt.Sprintf("\nContent-Length: %d\n\n", len(strings.ReplaceAll(body, "\n", "\r\n"))) + body
		payloads = append(payloads, []byte(strings.ReplaceAll(message, "\n", "\r\n")))
	}
	var b bytes.Buffer
	frames := capturetest.Datagrams(time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC), time.Second, payloads...)
	if err := capturetest.WritePcap(&b, frames); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "choices.pcap")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// policyOf returns a policy of three purposes that name each field in the forms that choose returns for it, none for
// drop.
func policyOf(choose func(field string, forms []string) []string) string {
	text := "version = 1\nname = \"random\"\nowner = \"tests\"\nreviewed = 2026-11-20\ndefault = \"drop\"\n" +
		"[lists]\nwords = [\"home1.example\", \"PCMU\", \"a.example\"]\n"
	for _, purpose := range []string{"billing", "fraud", "network_ops"} {
		text += fmt.Sprintf("[purpose.%s]\nwhy = \"w\"\nbasis = \"b\"\nkinds = [\"call\"]\nstages = [\"start\", \"answer\", \"stop\"]\n"+
			"audience = [\"%s_desk\"]\nretain = \"18 months\"\nretain_why = \"r\"\n[purpose.%s.fields]\n", purpose, purpose, purpose)
		for f := range cpni.Field(cpni.Fields()) {
			e := f.Entry()
			if e.Never || !f.Extracted() || e.Name == "emergency_location" || e.Name == "access_network_info" || !f.In(cpni.CallKind) {
				continue
			}
			forms := slices.DeleteFunc(slices.Clone(e.Transforms), func(t string) bool { return t == "seal" || t == "count" || t == "drop" })
			if forms = choose(e.Name, forms); len(forms) > 0 {
				text += lineOf(e, forms)
			}
		}
	}
	return text
}

// lineOf returns the line of a policy for a field in these forms.
func lineOf(e *cpni.Entry, forms []string) string {
	list := ""
	for i, form := range forms {
		switch {
		case form == "known":
			list = "list = \"words\", "
		case form == "bucket" && e.Type == "duration":
			forms[i] = "bucket:6s"
		case form == "bucket":
			forms[i] = "bucket:5"
		case form == "truncate":
			forms[i] = "truncate:second"
		case form == "ip_prefix":
			forms[i] = "ip_prefix:24,48"
		}
	}
	return fmt.Sprintf("%s = { form = [\"%s\"], %sbecause = \"a test\" }\n", e.Name, strings.Join(forms, "\", \""), list)
}

// excerptsOf returns what replay prints of a capture under a policy.
func excerptsOf(t *testing.T, policy, capture string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policy.toml")
	if err := os.WriteFile(path, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := execute(t.Context(), []string{"replay", "--demo-keys", "--policy", path, capture}, &stdout, &stderr); code != exitFine {
		t.Fatalf("exit code = %d: %s\n%s", code, stderr.String(), policy)
	}
	return stdout.String()
}

// readers returns, for each place, the fields that depend on it in any form, found by trying; and the keys of the envelope
// that do.
func readers(t *testing.T, base string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	policy := policyOf(func(_ string, forms []string) []string { return forms })
	before := valuesOf(t, excerptsOf(t, policy, base))
	for _, place := range choices() {
		after := valuesOf(t, excerptsOf(t, policy, withChoices(t, map[string]bool{place: true})))
		for key := range maps.Keys(before) {
			if before[key] != after[key] {
				found[place] = append(found[place], fieldOf(key))
			}
		}
	}
	return found
}

// fieldOf returns the field that stands under a key, key if it is one of the envelope.
func fieldOf(key string) string {
	for name := key; name != ""; name = name[:max(0, strings.LastIndexByte(name, '_'))] {
		if _, is := cpni.FieldOf(name); is {
			return name
		}
	}
	return key
}

// valuesOf returns the values of all excerpts together under each key.
func valuesOf(t *testing.T, out string) map[string]string {
	t.Helper()
	values := map[string]string{}
	for line := range strings.Lines(out) {
		var body map[string]json.RawMessage
		if err := json.Unmarshal([]byte(line), &body); err != nil {
			t.Fatal(err)
		}
		for key, value := range body {
			values[key] += string(value) + " "
		}
	}
	return values
}

// envelopePlaces are the places that the envelope depends on: ids and what hides two halves of a call from each other are
// made of the Call-ID and the caller's tag.
var envelopePlaces = map[string][]string{"call-id": envelopeIDs, "caller tag": envelopeIDs}

var envelopeIDs = []string{"id", "dialog", "blind_clock", "blind_side"}

// TestWhatIsDroppedChangesNothing: captures that differ only in places that no named field is read of give the same bytes,
// whatever the policy. Non-interference (Goguen and Meseguer 1982), with the policy's fields as what is seen.
func TestWhatIsDroppedChangesNothing(t *testing.T) {
	t.Parallel()
	base := withChoices(t, nil)
	depends := readers(t, base)
	for place, keys := range depends {
		for _, key := range keys {
			if _, field := cpni.FieldOf(key); !field && !slices.Contains(envelopePlaces[place], key) {
				t.Errorf("%s shows in %s of the envelope", place, key)
			}
		}
	}
	for _, place := range []string{"subject", "note", "phrase", "sdp user", "sdp name", "cause text", "caller name"} {
		if keys := slices.DeleteFunc(slices.Clone(depends[place]), func(key string) bool { return key == "caller_name" }); len(keys) > 0 {
			t.Errorf("%s shows in %v", place, keys)
		}
	}
	if len(depends["caller"]) == 0 || len(depends["agent"]) == 0 {
		t.Fatalf("the places show nowhere: the law says nothing: %v", depends)
	}
	rounds := 20
	if os.Getenv("SIPSIEVE_FULL") != "" {
		rounds = 2000
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range rounds {
		named := map[string]bool{}
		policy := policyOf(func(field string, forms []string) []string {
			if len(forms) == 0 || rnd.IntN(3) > 0 {
				return nil
			}
			named[field] = true
			return []string{forms[rnd.IntN(len(forms))]}
		})
		others := map[string]bool{}
		for _, place := range choices() {
			seen := len(envelopePlaces[place]) > 0 || slices.ContainsFunc(depends[place], func(key string) bool { return named[key] })
			others[place] = !seen && rnd.IntN(3) > 0
		}
		if one, other := excerptsOf(t, policy, base), excerptsOf(t, policy, withChoices(t, others)); one != other || one == "" {
			t.Fatalf("places %v\nunder\n%s\ngive\n%s\nand\n%s", others, policy, one, other)
		}
	}
}
