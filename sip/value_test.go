package sip

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestStartLinesAreReadToTheLetter(t *testing.T) {
	for line, want := range map[string]string{
		"INVITE sip:b@h SIP/2.0":         "INVITE 0",
		"HELLO tel:1 SIP/2.0":            "other 0",
		"SIP/2.0 200 OK":                 "INVITE 200",
		"SIP/2.0 200":                    "INVITE 200",
		"SIP/2.0 100 ":                   "INVITE 100",
		"SIP/2.0 699 a b\tc\xff":         "INVITE 699",
		"invite sip:b@h SIP/2.0":         "other 0",
		"SIP/2.0 099 x":                  "",
		"SIP/2.0 700 x":                  "",
		"SIP/2.0 2000 x":                 "",
		"SIP/2.0 20 x":                   "",
		"SIP/2.0  200 x":                 "",
		"SIP/2.1 200 x":                  "",
		"SIP/2.0\t200 x":                 "",
		"INVITE sip:b@h SIP/7.0":         "",
		"INVITE sip:b@h SIP/2.0 ":        "",
		"INVITE  sip:b@h SIP/2.0":        "",
		"INVITE sip:b@h  SIP/2.0":        "",
		"INVITE sip:b @h SIP/2.0":        "",
		"INVITE bob SIP/2.0":             "",
		"INVITE SIP/2.0":                 "",
		" INVITE sip:b@h SIP/2.0":        "",
		"IN,ITE sip:b@h SIP/2.0":         "",
		"GET http://h/ HTTP/1.1":         "",
		"INVITE sip:b@h sip/2.0":         "INVITE 0",
		"INVITE sip:b@h Sip/2.0":         "INVITE 0",
		"invite sip:b@h sip/2.0":         "other 0",
		"sip/2.0 200 x":                  "INVITE 200",
		"SiP/2.0 200":                    "INVITE 200",
		"sip/2.0x200 x":                  "",
		"INVITE sip:b@h;a=\"b\" SIP/2.0": "INVITE 0",
	} {
		text := line + strings.TrimPrefix(minimal(), "INVITE sip:bob@h SIP/2.0")
		r := NewReader(everything(), DefaultLimits())
		got := ""
		if m := readOne(t, r, text); m != nil {
			got = fmt.Sprint(m.Method, " ", m.Status)
		}
		if got != want || (want == "") != (r.Counts().NotSIP == 1) {
			t.Errorf("%q: got = %q, not SIP = %d, want %q", line, got, r.Counts().NotSIP, want)
		}
	}
}

func TestMethodOfAResponseIsThatOfCSeq(t *testing.T) {
	ok := strings.NewReplacer("INVITE sip:bob@h SIP/2.0", "SIP/2.0 200 OK", "1 INVITE", "7 BYE").Replace(minimal())
	m := readOne(t, NewReader(everything(), DefaultLimits()), ok)
	if m.Method != Bye || m.CSeq != 7 || m.Flags != 0 {
		t.Errorf("got = %s, %d, %s, want BYE, 7, none", m.Method, m.CSeq, m.Flags)
	}
	m = readOne(t, NewReader(everything(), DefaultLimits()), strings.Replace(minimal(), "1 INVITE", "1 invite", 1))
	if m.Flags != CSeqMismatch {
		t.Errorf("flags = %s, want cseq_mismatch: methods are told apart by case", m.Flags)
	}
}

func TestTagsStandOutsideOfQuotesAndAngles(t *testing.T) {
	for value, want := range map[string]string{
		`<sip:a@h>;tag=1`:                         "1",
		`<sip:a@h;tag=no>;TAG = "1" ;x`:           "1",
		`"x;tag=no" <sip:a@h>;y;tag=1`:            "1",
		`"\";tag=no" <sip:a@h;tag=no>; tag=1`:     "1",
		`sip:a@h;tag=1`:                           "1",
		`<sip:a@h>;tag`:                           "",
		`<sip:a@h>;tags=2;xtag=3`:                 "",
		`<sip:a@h;tag=no>`:                        "",
		"<sip:a@h>\r\n ;tag\r\n =\r\n 1":          "1",
		"\"x\r\n ;tag=no\" <sip:a@h>\r\n\t;tag=1": "1",
	} {
		text := strings.Replace(minimal(), "<sip:a@h>;tag=1", value, 1)
		m := readOne(t, NewReader(everything(), DefaultLimits()), text)
		if got := string(m.FromTag()); got != want {
			t.Errorf("%q: tag = %q, want %q", value, got, want)
		}
	}
}

func TestTopmostViaGivesBranchAndSentBy(t *testing.T) {
	for value, want := range map[string]string{
		"SIP/2.0/UDP h:5060;branch=z9hG4bK1, SIP/2.0/TCP g;branch=no":    "z9hG4bK1 h:5060 2",
		"SIP / 2.0 / UDP first.example.com: 4000;ttl=16 ;branch=z9hG4bK": "z9hG4bK first.example.com: 4000 1",
		"SIP/2.0/UDP [2001:db8::9]:5060;received=1;branch=b":             "b [2001:db8::9]:5060 1",
		"SIP/2.0/UDP h, SIP/2.0/UDP g;branch=no":                         " h 2",
		"SIP/2.0/UDP\r\n h\r\n ,SIP/2.0/UDP g;branch=no":                 " h 2",
		"SIP/2.0/UDP\r\n h ;branch\r\n =b,SIP/2.0/UDP g":                 "b h 2",
		"rubbish":                        "  1",
		"SIP/2.0/UDP h;x=\",\";branch=b": "b h 1",
	} {
		for _, s := range []Selection{everything(), only()} {
			text := strings.Replace(minimal(), "SIP/2.0/UDP h;branch=z9hG4bKx", value, 1)
			m := readOne(t, NewReader(s, DefaultLimits()), text)
			if got := fmt.Sprint(string(m.Branch()), " ", string(m.SentBy()), " ", m.Vias); got != want {
				t.Errorf("%q, all Vias %t: got = %q, want %q", value, s[Via], got, want)
			}
		}
	}
}

func TestOfCredentialsTheAllowedParametersAloneAreSelected(t *testing.T) {
	const secrets = `nonce="CANARY1", uri="sip:CANARY2", response="CANARY3", cnonce=CANARY4, opaque="CANARY5", ` +
		`qop=auth, nc=CANARY6, domain="CANARY7", username*=CANARY8`
	asked := []string{"Authorization", "Proxy-Authorization"}
	challenges := []string{"WWW-Authenticate", "Proxy-Authenticate"}
	names := slices.Concat(asked, challenges)
	for _, name := range names {
		value := `Digest username="alice", realm="a, b", stale=TRUE, algorithm=MD5, ` + secrets
		want := []string{`username="alice"`, `realm="a, b"`, `algorithm=MD5`}
		if slices.Contains(challenges, name) {
			want = []string{`realm="a, b"`, `stale=TRUE`, `algorithm=MD5`}
		}
		m := readOne(t, NewReader(everything(), DefaultLimits()), minimal(name+": "+value))
		if got := m.values(headerOf(name)); !slices.Equal(got, want) {
			t.Errorf("%s: got = %q, want %q", name, got, want)
		}
	}
	for _, value := range []string{"Basic CANARY", "Digest", "digestCANARY", `Bearer realm="x", CANARY`,
		`Digest username="a, response="CANARY"`, `Digest username=a response=CANARY`, `Digest username="a" response="CANARY"`,
		`Digest username="a;response="CANARY",nc="`, `Digest username=<a, response="CANARY">`,
		`Digest username="a\", response="CANARY"`, `Digest username=a;response=CANARY`,
		"Digest username=\"a,\r\n response=\"CANARY\",\r\n nonce=\"CANARY", `Digest username="CANARY`} {
		for _, name := range names {
			m := readOne(t, NewReader(everything(), DefaultLimits()), minimal(name+": "+value))
			if bytes.Contains(m.Text, []byte("CANARY")) {
				t.Errorf("%s: %s: kept %q", name, value, m.Text)
			}
		}
	}
}
