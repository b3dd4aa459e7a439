package track

import (
	"strings"
	"testing"
	"time"

	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

const ended = `
00:06.000  alice -> bob   ACK
00:10.000  alice -> bob   BYE
00:10.010  alice <- bob   200 BYE`

// factsIn joins the values of f in c.
func factsIn(c *event.Call, f facts.Fact) string {
	var all []string
	for v := range c.Facts.All(f) {
		all = append(all, string(v))
	}
	return strings.Join(all, ",")
}

func TestCodecAndSecurityAreTheAnswers(t *testing.T) {
	const offer = `
00:00.000  alice -> bob   INVITE
    Content-Type: application/sdp
    | v=0
    | o=- 1 1 IN IP4 192.0.2.10
    | c=IN IP4 192.0.2.10
    | m=audio 4000 RTP/AVP 0 8 9 101
    | a=rtpmap:101 telephone-event/8000
    | m=video 4002 RTP/AVP 96
    | a=rtpmap:96 VP8/90000
`
	const chosen = `
    Content-Type: application/sdp
    | v=0
    | o=- 2 1 IN IP4 192.0.2.11
    | c=IN IP4 192.0.2.11
    | m=audio 5000 RTP/SAVP 9
    | a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:canarycanary
    | m=video 0 RTP/AVP 96
`
	for name, ladder := range map[string]string{
		"in the 200": offer + "00:05.000  alice <- bob   200 INVITE" + chosen,
		"in a 183, none in the 200": offer + "00:01.000  alice <- bob   183" + chosen +
			"00:05.000  alice <- bob   200 INVITE nosdp\n",
		"in a 180, again in the 200": offer + "00:01.000  alice <- bob   180" + chosen +
			"00:05.000  alice <- bob   200 INVITE" + chosen,
	} {
		c := one(t, callsOf(t, ladder+ended, 0))
		got := [4]string{factsIn(c, facts.MediaType), factsIn(c, facts.MediaCodec), factsIn(c, facts.MediaProfile), factsIn(c, facts.MediaCrypto)}
		if want := [4]string{"audio", "G722", "RTP/SAVP", "sdes"}; got != want {
			t.Errorf("%s: got = %v, want %v", name, got, want)
		}
		if got := factsIn(c, facts.MediaAddress); !strings.HasPrefix(got, "192.0.2.10") {
			t.Errorf("%s: media address = %s, want the caller's first", name, got)
		}
		if strings.Contains(string(c.Facts.Bytes()), "canary") {
			t.Errorf("%s: a media key is a fact", name)
		}
		if want := strings.Contains(name, "18"); c.EarlyMedia != want {
			t.Errorf("%s: early media = %t, want %t", name, c.EarlyMedia, want)
		}
	}
	c := one(t, callsOf(t, offer+"00:05.000  alice <- bob   486 INVITE\n00:05.010  alice -> bob   ACK\n", time.Minute))
	if got := factsIn(c, facts.MediaCodec); got != "PCMU,PCMA,G722,telephone-event,VP8" {
		t.Errorf("a refused call has the codecs %s, want the offered ones", got)
	}
}

func TestTransferHasItsTarget(t *testing.T) {
	for headers, want := range map[string][3]string{
		"Refer-To: <sip:3035550177@example.net;user=phone>":                        {"3035550177", "", "1"},
		"Refer-To: sip:+13035550177@example.net\n    Referred-By: <sip:bob@x.net>": {"+13035550177", "", "1"},
		"Refer-To: <sip:+13035550177@x.net?Replaces=a84b%40host%3Bto-tag%3D1%3Bfrom-tag%3D2>": {"+13035550177",
			"a84b@host", "2"},
		"Refer-To: \"Carol\" <tel:+13035550177;postd=1234>": {"+13035550177", "", "1"},
	} {
		c := one(t, callsOf(t, answeredCall+"00:10.000  alice -> bob   REFER\n    "+headers+
			"\n00:10.100  alice <- bob   202 REFER\n01:00.000  alice -> bob   BYE\n01:00.100  alice <- bob   200 BYE", 0))
		if got := [3]string{factsIn(c, facts.TransferTarget), factsIn(c, facts.ReplacedCall), string('0' + rune(c.Transfer))}; got != want {
			t.Errorf("%s: got = %v, want %v", headers, got, want)
		}
	}
}

func TestOfTwoTransfersTheLastOneCounts(t *testing.T) {
	c := one(t, callsOf(t, answeredCall+`
00:10.000  alice -> bob   REFER
    Refer-To: <sip:+13035550177@example.net>
00:10.100  alice <- bob   403 REFER
00:11.000  alice -> bob   REFER
    Refer-To: <sip:+13035550178@example.net>
00:11.100  alice <- bob   202 REFER
01:00.000  alice -> bob   BYE
01:00.100  alice <- bob   200 BYE`, 0))
	if got := factsIn(c, facts.TransferTarget); got != "+13035550178" || c.Transfer != event.Blind {
		t.Errorf("target = %s, transfer = %d", got, c.Transfer)
	}
}

func TestTargetOfARefusedTransferIsForgotten(t *testing.T) {
	for status, want := range map[string]string{"202": "+13035550177", "603": "", "407": "+13035550177"} {
		cs := callsOf(t, answeredCall+`
00:10.000  alice -> bob   REFER
    Refer-To: <sip:+13035550177@example.net?Replaces=a84b%40host%3Bto-tag%3D1>
    Referred-By: <sip:+13035550110@example.net>
00:10.100  alice <- bob   `+status+` REFER
00:12.000  alice -> bob   BYE
00:12.100  alice <- bob   200 BYE`, 0)
		fs := one(t, cs).Facts
		if got := string(fs.First(facts.TransferTarget)); got != want {
			t.Errorf("%s: target = %q, want %q", status, got, want)
		}
		if known := fs.First(facts.ReplacedCall) != nil; known != (want != "") {
			t.Errorf("%s: the replaced call is known = %v", status, known)
		}
	}
}
