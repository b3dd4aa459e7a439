package track

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/sip/event"
)

// stagesOf plays a ladder with every stage published and returns a line for each Event: its stage, revision, time and
// Call.
func stagesOf(t *testing.T, ladder string, wait time.Duration, l Limits) (lines []string) {
	t.Helper()
	tr := New(l)
	tr.PublishAt(event.StagesOf(event.Start, event.Answer, event.Interim, event.Stop, event.Correction))
	for i, e := range follow(t, tr, play(t, ladder), wait) {
		if e.Revision != i+1 {
			t.Errorf("revision = %d, want %d", e.Revision, i+1)
		}
		lines = append(lines, [...]string{"", "start", "answer", "interim", "stop", "correction"}[e.Stage]+" at "+
			clockOf(e.Time)+" "+lineOf(e.Call))
	}
	return lines
}

// A retelling is a ladder with a late message, and all that is published of it.
type retelling struct {
	name, ladder string
	wait         time.Duration
	want         string
}

var retellings = []retelling{
	{"a phone rings longer than anybody waits, and is answered", `
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   180
04:10.000  alice <- bob   200 INVITE
04:10.100  alice -> bob   ACK
05:00.000  alice -> bob   BYE
05:00.100  alice <- bob   200 BYE`, time.Minute, `
start at 0s 0s: partial 0% code 0 cause 0 end never unseen unended by unknown
stop at 241s 0s progress 1s ring 1s: no_answer partial 33% code 0 cause 0 end never ring_timeout timeout by
  unknown missing final_response
answer at 250s 0s progress 1s ring 1s answer 250s: answered partial 0% code 200 cause 0 end never unseen unended
  by unknown
correction at 300.1s 0s progress 1s ring 1s answer 250s: answered complete 100% code 200 cause 16 end 300s
  observed normal by caller cause_derived`},
	{"a CANCEL comes after the wait, and its 487", `
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   180
04:10.000  alice -> bob   CANCEL
04:10.010  alice <- bob   200 CANCEL
04:10.020  alice <- bob   487 INVITE
04:10.030  alice -> bob   ACK`, time.Minute, `
start at 0s 0s: partial 0% code 0 cause 0 end never unseen unended by unknown
stop at 241s 0s progress 1s ring 1s: no_answer partial 33% code 0 cause 0 end never ring_timeout timeout by
  unknown missing final_response
correction at 252.03s 0s progress 1s ring 1s: cancelled complete 100% code 487 cause 0 end 250.02s observed
  cancel by caller`},
	{"a refusal comes after the wait", `
00:00.000  alice -> bob   INVITE
04:10.000  alice <- bob   408 INVITE
04:10.100  alice -> bob   ACK`, time.Minute, `
start at 0s 0s: partial 0% code 0 cause 0 end never unseen unended by unknown
stop at 240s 0s: no_answer partial 33% code 0 cause 0 end never ring_timeout timeout by unknown missing
  final_response,one_direction
correction at 252.1s 0s: no_answer complete 100% code 408 cause 102 end 250s observed timeout by network
  cause_derived`},
	{"an early BYE crosses the answer, whose ACK comes after the end", `
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   180
00:04.990  alice -> bob   BYE
00:05.000  alice <- bob   200 INVITE
00:05.020  alice <- bob   200 BYE
00:05.050  alice -> bob   ACK`, time.Minute, `
start at 0s 0s: partial 0% code 0 cause 0 end never unseen unended by unknown
answer at 5s 0s progress 1s ring 1s answer 5s: answered partial 0% code 200 cause 0 end never unseen unended by
  unknown
stop at 5.02s 0s progress 1s ring 1s answer 5s: answered partial 60% code 200 cause 0 end 5.02s observed normal
  by caller missing ack,bye
correction at 5.05s 0s progress 1s ring 1s answer 5s: answered partial 80% code 200 cause 0 end 5.02s observed
  normal by caller missing bye`},
	{"an ACK after the wait proves an answer", `
00:00.000  alice -> bob   INVITE
04:10.000  alice <- bob   200 INVITE unseen
04:10.100  alice -> bob   ACK
05:00.000  alice -> bob   BYE
05:00.100  alice <- bob   200 BYE`, time.Minute, `
start at 0s 0s: partial 0% code 0 cause 0 end never unseen unended by unknown
stop at 240s 0s: no_answer partial 33% code 0 cause 0 end never ring_timeout timeout by unknown missing
  final_response,one_direction
answer at 250.1s 0s answer 250.1s: answered partial 0% code 0 cause 0 end never unseen unended by unknown
  answer_by_ack missing final_response
correction at 300.1s 0s answer 250.1s: answered partial 80% code 0 cause 16 end 300s observed normal by caller
  cause_derived answer_by_ack missing final_response`},
	{"a refused call is answered after all", `
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   487 INVITE tag=one
00:01.010  alice -> bob   ACK
00:05.000  alice <- bob   200 INVITE tag=two
00:05.100  alice -> bob   ACK tag=two
00:09.000  alice -> bob   BYE tag=two
00:09.100  alice <- bob   200 BYE tag=two`, time.Minute, `
start at 0s 0s: partial 0% code 0 cause 0 end never unseen unended by unknown
stop at 3.01s 0s: cancelled partial 75% code 487 cause 0 end 1s observed cancel by caller missing cancel
answer at 5s 0s answer 5s: answered partial 0% code 200 cause 0 end never unseen unended by unknown
correction at 9.1s 0s answer 5s: answered complete 100% code 200 cause 16 end 9s observed normal by caller
  cause_derived`},
	{"a BYE comes after the session timer", `
00:00.000  alice -> bob   INVITE
00:04.000  alice <- bob   200 INVITE
    Session-Expires: 90
00:04.100  alice -> bob   ACK
02:30.000  alice -> bob   BYE
02:30.100  alice <- bob   200 BYE`, time.Minute, `
start at 0s 0s: partial 0% code 0 cause 0 end never unseen unended by unknown
answer at 4s 0s answer 4s: answered partial 0% code 200 cause 0 end never unseen unended by unknown expires 90
stop at 126s 0s answer 4s: answered partial 60% code 200 cause 0 end 4s session_timer session_timer by unknown
  missing bye expires 90
correction at 150.1s 0s answer 4s: answered complete 100% code 200 cause 16 end 150s observed normal by caller
  cause_derived expires 90`},
	{"a BYE comes after the longest silence", answeredCall + `
04:30:00.000  alice -> bob   BYE
04:30:00.100  alice <- bob   200 BYE`, time.Minute, `
start at 0s 0s: partial 0% code 0 cause 0 end never unseen unended by unknown
answer at 4.9s 0s progress 1.2s ring 1.2s answer 4.9s: answered partial 0% code 200 cause 0 end never unseen
  unended by unknown
interim at 6004.9s 0s progress 1.2s ring 1.2s answer 4.9s: answered partial 0% code 200 cause 0 end never unseen
  unended by unknown
interim at 12004.9s 0s progress 1.2s ring 1.2s answer 4.9s: answered partial 0% code 200 cause 0 end never
  unseen unended by unknown
stop at 14405s 0s progress 1.2s ring 1.2s answer 4.9s: answered partial 60% code 200 cause 0 end never
  max_duration timeout by unknown missing bye
correction at 16200.1s 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end
  16200s observed normal by caller cause_derived`},
	{"a call that was given up is refreshed", `
00:00.000  alice -> bob   INVITE
00:04.000  alice <- bob   200 INVITE
    Session-Expires: 90
00:04.100  alice -> bob   ACK
02:30.000  alice -> bob   INVITE
02:30.100  alice <- bob   200 INVITE
02:30.200  alice -> bob   ACK
02:40.000  alice -> bob   BYE
02:40.100  alice <- bob   200 BYE`, time.Minute, `
start at 0s 0s: partial 0% code 0 cause 0 end never unseen unended by unknown
answer at 4s 0s answer 4s: answered partial 0% code 200 cause 0 end never unseen unended by unknown expires 90
stop at 126s 0s answer 4s: answered partial 60% code 200 cause 0 end 4s session_timer session_timer by unknown
  missing bye expires 90
correction at 160.1s 0s answer 4s: answered complete 100% code 200 cause 16 end 160s observed normal by caller
  cause_derived reinvites 1`},
	{"a call that was given up turns out to be lost", `
00:00.000  alice -> bob   INVITE
00:04.000  alice <- bob   200 INVITE
    Session-Expires: 90
00:04.100  alice -> bob   ACK
02:30.000  alice -> bob   INVITE
02:30.100  alice <- bob   481 INVITE
02:30.200  alice -> bob   ACK`, time.Minute, `
start at 0s 0s: partial 0% code 0 cause 0 end never unseen unended by unknown
answer at 4s 0s answer 4s: answered partial 0% code 200 cause 0 end never unseen unended by unknown expires 90
stop at 126s 0s answer 4s: answered partial 60% code 200 cause 0 end 4s session_timer session_timer by unknown
  missing bye expires 90
correction at 182.1s 0s answer 4s: answered partial 60% code 200 cause 0 end 150.1s observed dialog_lost by
  network missing bye expires 90`},
	{"the answer to a BYE is seen before the BYE", answeredCall + `
00:09.000  alice -> bob   BYE unseen
00:09.002  alice -> bob   BYE
00:09.001  alice <- bob   200 BYE`, time.Minute, `
start at 0s 0s: partial 0% code 0 cause 0 end never unseen unended by unknown
answer at 4.9s 0s progress 1.2s ring 1.2s answer 4.9s: answered partial 0% code 200 cause 0 end never unseen
  unended by unknown
stop at 9.001s 0s progress 1.2s ring 1.2s answer 4.9s: answered partial 80% code 200 cause 0 end 9.001s observed
  normal by caller missing bye
correction at 9.002s 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 9.002s
  observed normal by caller cause_derived`},
	{"a further target is tried late", `
callid serial
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   486 INVITE
00:01.010  alice -> bob   ACK
00:05.000  alice -> bob   INVITE
    Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKsecond;rport
    CSeq: 1 INVITE
00:06.000  alice <- bob   200 INVITE
00:06.100  alice -> bob   ACK new
    CSeq: 1 ACK
00:07.000  alice -> bob   BYE
00:07.100  alice <- bob   200 BYE`, time.Minute, `
start at 0s 0s: partial 0% code 0 cause 0 end never unseen unended by unknown
stop at 3.01s 0s: busy complete 100% code 486 cause 17 end 1s observed failure by callee cause_derived
answer at 6s 0s answer 6s: answered partial 0% code 200 cause 0 end never unseen unended by unknown
correction at 7.1s 0s answer 6s: answered complete 100% code 200 cause 16 end 7s observed normal by caller
  cause_derived`},
	{"eight targets in a row are busy", `
callid serial
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   486 INVITE
00:01.010  alice -> bob   ACK
00:02.000  alice -> bob   INVITE
    Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKtarget1;rport
    CSeq: 1 INVITE
00:03.000  alice <- bob   486 INVITE
00:03.010  alice -> bob   ACK
    Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKtarget1;rport
    CSeq: 1 ACK
00:04.000  alice -> bob   INVITE
    Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKtarget2;rport
    CSeq: 1 INVITE
00:05.000  alice <- bob   486 INVITE
00:05.010  alice -> bob   ACK
    Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKtarget2;rport
    CSeq: 1 ACK
00:06.000  alice -> bob   INVITE
    Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKtarget3;rport
    CSeq: 1 INVITE
00:07.000  alice <- bob   486 INVITE
00:07.010  alice -> bob   ACK
    Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKtarget3;rport
    CSeq: 1 ACK
00:08.000  alice -> bob   INVITE
    Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKtarget4;rport
    CSeq: 1 INVITE
00:09.000  alice <- bob   486 INVITE
00:09.010  alice -> bob   ACK
    Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKtarget4;rport
    CSeq: 1 ACK
00:10.000  alice -> bob   INVITE
    Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKtarget5;rport
    CSeq: 1 INVITE
00:11.000  alice <- bob   486 INVITE
00:11.010  alice -> bob   ACK
    Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKtarget5;rport
    CSeq: 1 ACK
00:12.000  alice -> bob   INVITE
    Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKtarget6;rport
    CSeq: 1 INVITE
00:13.000  alice <- bob   486 INVITE
00:13.010  alice -> bob   ACK
    Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKtarget6;rport
    CSeq: 1 ACK
00:14.000  alice -> bob   INVITE
    Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKtarget7;rport
    CSeq: 1 INVITE
00:15.000  alice <- bob   486 INVITE
00:15.010  alice -> bob   ACK
    Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKtarget7;rport
    CSeq: 1 ACK`, time.Minute, `
start at 0s 0s: partial 0% code 0 cause 0 end never unseen unended by unknown
stop at 17.01s 0s: busy complete 100% code 486 cause 17 end 15s observed failure by callee cause_derived`},
	{"a BYE is accepted after the wait, and the rest changes nothing", answeredCall + `
00:09.000  alice -> bob   BYE
00:41.500  alice <- bob   200 BYE
00:42.000  alice <- bob   200 INVITE
00:43.000  alice -> bob   ACK
00:44.000  alice <- bob   180 INVITE`, time.Minute, `
start at 0s 0s: partial 0% code 0 cause 0 end never unseen unended by unknown
answer at 4.9s 0s progress 1.2s ring 1.2s answer 4.9s: answered partial 0% code 200 cause 0 end never unseen
  unended by unknown
stop at 41s 0s progress 1.2s ring 1.2s answer 4.9s: answered partial 80% code 200 cause 16 end 9s observed
  normal by caller cause_derived missing bye_response
correction at 41.5s 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 9s
  observed normal by caller cause_derived`},
	{"a long call is published from time to time", answeredCall + `
02:24:00.000  alice -> bob   BYE
02:24:00.100  alice <- bob   200 BYE`, time.Minute, `
start at 0s 0s: partial 0% code 0 cause 0 end never unseen unended by unknown
answer at 4.9s 0s progress 1.2s ring 1.2s answer 4.9s: answered partial 0% code 200 cause 0 end never unseen
  unended by unknown
interim at 6004.9s 0s progress 1.2s ring 1.2s answer 4.9s: answered partial 0% code 200 cause 0 end never unseen
  unended by unknown
stop at 8640.1s 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 8640s
  observed normal by caller cause_derived`},
}

func TestLateProofIsPublishedAsACorrection(t *testing.T) {
	l := DefaultLimits()
	l.Interim = 100 * time.Minute
	for _, r := range retellings {
		t.Run(r.name, func(t *testing.T) {
			got := stagesOf(t, r.ladder, r.wait, l)
			if !slices.Equal(strings.Fields(strings.Join(got, " ")), strings.Fields(r.want)) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), r.want)
			}
		})
	}
}
