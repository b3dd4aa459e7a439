package track

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// forks is an INVITE that rings at two phones.
const forks = `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180 tag=one
00:00.200  alice <- bob   180 tag=two
`

// settledStories are of situations that public reports of this field describe, and of their like.
var settledStories = []story{
	// A request of another dialog.
	{"a BYE with a foreign To tag is refused", answeredCall + `
00:09.000  alice -> bob   BYE tag=nobody
00:09.010  alice <- bob   481 BYE
01:00.000  alice <- bob   BYE
01:00.100  alice -> bob   200 BYE`, time.Minute, `
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed normal by
  callee cause_derived`},
	{"a BYE with a foreign To tag is accepted", answeredCall + `
00:09.000  alice -> bob   BYE tag=nobody
00:09.010  alice <- bob   200 BYE
01:00.000  alice <- bob   BYE
01:00.100  alice -> bob   200 BYE`, time.Minute, `
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed normal by
  callee cause_derived`},
	{"a BYE with a foreign From tag is accepted", answeredCall + `
00:09.000  alice <- bob   BYE
    From: <sip:+13035550111@192.0.2.11>;tag=nobody
00:09.010  alice -> bob   200 BYE
01:00.000  alice <- bob   BYE new
01:00.100  alice -> bob   200 BYE`, time.Minute, `
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed normal by
  callee cause_derived`},
	{"a BYE without a To tag is refused", answeredCall + `
00:09.000  alice -> bob   BYE
    To: <sip:+13035550111@192.0.2.11>
00:09.010  alice <- bob   481 BYE
01:00.000  alice -> bob   BYE new
01:00.100  alice <- bob   200 BYE`, time.Minute, `
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed normal by
  caller cause_derived`},
	{"a re-INVITE with a foreign To tag finds no dialog", answeredCall + `
00:09.000  alice -> bob   INVITE tag=nobody
00:09.010  alice <- bob   481 INVITE
00:09.020  alice -> bob   ACK
01:00.000  alice <- bob   BYE
01:00.100  alice -> bob   200 BYE`, time.Minute, `
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed normal by
  callee cause_derived`},
	// A refused BYE.
	{"a BYE is refused and the call goes on", answeredCall + `
00:09.000  alice -> bob   BYE
00:09.010  alice <- bob   500 BYE
01:00.000  alice <- bob   BYE
01:00.100  alice -> bob   200 BYE`, time.Minute, `
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed normal by
  callee cause_derived`},
	{"the callee's BYE is refused and the call goes on", answeredCall + `
00:09.000  alice <- bob   BYE
00:09.010  alice -> bob   403 BYE
05:00.000  alice -> bob   BYE
05:00.100  alice <- bob   200 BYE`, time.Minute, `
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 300s observed normal by
  caller cause_derived`},
	{"a BYE is refused, the call is refreshed and never ended", answeredCall + `
00:09.000  alice -> bob   BYE
00:09.010  alice <- bob   481 BYE
05:00.000  alice -> bob   UPDATE
05:00.100  alice <- bob   200 UPDATE`, 5 * time.Hour, `
- 0s progress 1.2s ring 1.2s answer 4.9s: answered partial 60% code 200 cause 0 end never max_duration timeout
  by unknown missing bye reinvites 1`},
	{"a BYE is refused, the call is refreshed and ended", "callid one" + answeredCall + `
00:09.000  alice -> bob   BYE
00:09.010  alice <- bob   481 BYE
05:00.000  alice <- bob   INVITE
05:00.100  alice -> bob   200 INVITE
05:00.200  alice <- bob   ACK
06:00.000  alice -> bob   BYE new
06:00.100  alice <- bob   200 BYE`, time.Minute, `
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 360s observed normal by
  caller cause_derived reinvites 1`},
	{"two BYEs are refused and none is accepted", answeredCall + `
00:09.000  alice -> bob   BYE
00:09.010  alice <- bob   481 BYE
05:00.000  alice <- bob   BYE
05:00.010  alice -> bob   481 BYE`, time.Minute, `
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 9s observed normal by
  caller cause_derived`},
	{"only the refusal of a BYE is seen", answeredCall + `
00:09.000  alice -> bob   BYE unseen
00:09.010  alice <- bob   481 BYE`, 5 * time.Hour, `
- 0s progress 1.2s ring 1.2s answer 4.9s: answered partial 60% code 200 cause 0 end never max_duration timeout
  by unknown missing bye`},
	// 481 and 408 inside the dialog.
	{"a BYE crosses a re-INVITE that finds no dialog", answeredCall + `
01:00.000  alice -> bob   INVITE
01:00.005  alice <- bob   BYE
01:00.010  alice <- bob   481 INVITE
01:00.015  alice -> bob   ACK
01:00.020  alice -> bob   200 BYE`, time.Minute, `
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60.005s observed normal
  by callee cause_derived`},
	{"a BYE follows a re-INVITE that finds no dialog", answeredCall + `
10:00.000  alice -> bob   INVITE
10:00.010  alice <- bob   481 INVITE
10:00.015  alice -> bob   ACK
10:00.020  alice -> bob   BYE
10:00.030  alice <- bob   200 BYE`, time.Minute, `
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 600.02s observed normal
  by caller cause_derived`},
	{"a BYE follows an UPDATE that times out", answeredCall + `
10:00.000  alice <- bob   UPDATE
10:32.000  alice -> bob   408 UPDATE
11:03.000  alice <- bob   BYE
11:03.100  alice -> bob   200 BYE`, time.Minute, `
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 663s observed normal by
  callee cause_derived`},
	{"a BYE comes after a lost dialog was published", answeredCall + `
10:00.000  alice -> bob   INVITE
10:00.010  alice <- bob   481 INVITE
10:00.015  alice -> bob   ACK
12:00.000  alice <- bob   BYE
12:00.100  alice -> bob   200 BYE`, time.Minute, `
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 720s observed normal by
  callee cause_derived`},
	{"a lost dialog is alive after all", answeredCall + `
10:00.000  alice -> bob   INVITE
10:00.010  alice <- bob   481 INVITE
10:00.015  alice -> bob   ACK
10:10.000  alice <- bob   UPDATE
10:10.100  alice -> bob   200 UPDATE
20:00.000  alice <- bob   BYE
20:00.100  alice -> bob   200 BYE`, time.Minute, `
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 1200s observed normal by
  callee cause_derived reinvites 1`},
	// A BYE before the answer.
	{"a caller hangs up before the answer, and no final response comes", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180
00:04.000  alice -> bob   BYE
00:04.010  alice <- bob   200 BYE`, 10 * time.Minute, `
- 0s progress 0.1s ring 0.1s: cancelled partial 50% code 0 cause 0 end 4s observed cancel by caller missing
  final_response,ack`},
	{"a callee hangs up before the answer, and gives a cause", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   183
00:04.000  alice <- bob   BYE
    Reason: Q.850;cause=31
00:04.010  alice -> bob   200 BYE
00:04.020  alice <- bob   486 INVITE
00:04.030  alice -> bob   ACK`, time.Minute, `
- 0s progress 0.1s ring 0.1s: cancelled complete 100% code 486 cause 31 end 4s observed cancel by callee early`},
	{"a BYE before the answer is refused, and the call is answered", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180
00:04.000  alice -> bob   BYE
00:04.010  alice <- bob   481 BYE
00:20.000  alice <- bob   200 INVITE
00:20.100  alice -> bob   ACK
00:50.000  alice <- bob   BYE
00:50.100  alice -> bob   200 BYE`, time.Minute, `
- 0s progress 0.1s ring 0.1s answer 20s: answered complete 100% code 200 cause 16 end 50s observed normal by
  callee cause_derived`},
	{"a BYE before the answer is accepted, and the call is answered", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180
00:04.000  alice -> bob   BYE
00:04.010  alice <- bob   200 BYE
00:20.000  alice <- bob   200 INVITE
00:20.100  alice -> bob   ACK
00:50.000  alice <- bob   BYE
00:50.100  alice -> bob   200 BYE`, time.Minute, `
- 0s progress 0.1s ring 0.1s answer 20s: answered complete 100% code 200 cause 16 end 50s observed normal by
  callee cause_derived`},
	{"a BYE to one early fork, and the other answers", forks + `
00:04.000  alice -> bob   BYE tag=one
00:04.010  alice <- bob   200 BYE tag=one
00:20.000  alice <- bob   200 INVITE tag=two
00:20.100  alice -> bob   ACK tag=two
00:50.000  alice -> bob   BYE tag=two new
00:50.100  alice <- bob   200 BYE tag=two`, time.Minute, `
- 0s progress 0.1s ring 0.1s answer 20s: answered complete 100% code 200 cause 16 end 50s observed normal by
  caller cause_derived forks 2`},
	{"a BYE to an early fork after the other answered", forks + `
00:05.000  alice <- bob   200 INVITE tag=two
00:05.100  alice -> bob   ACK tag=two
00:06.000  alice -> bob   BYE tag=one
00:06.010  alice <- bob   200 BYE tag=one
01:05.000  alice -> bob   BYE tag=two new
01:05.100  alice <- bob   200 BYE tag=two`, time.Minute, `
- 0s progress 0.1s ring 0.1s answer 5s: answered complete 100% code 200 cause 16 end 65s observed normal by
  caller cause_derived forks 2`},
	{"a BYE to each of two early forks", forks + `
00:04.000  alice -> bob   BYE tag=one
00:04.010  alice <- bob   200 BYE tag=one
00:06.000  alice -> bob   BYE tag=two new
00:06.010  alice <- bob   200 BYE tag=two
00:06.020  alice <- bob   487 INVITE tag=two
00:06.030  alice -> bob   ACK`, time.Minute, `
- 0s progress 0.1s ring 0.1s: cancelled complete 100% code 487 cause 0 end 6s observed cancel by caller forks 2`},
	// Ring.
	{"a queue plays early media for ten minutes", `
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   183 sdp
` + every("%02d:01.000  alice <- bob   183 sdp\n", 1, 10) + `
10:00.000  alice <- bob   200 INVITE
10:00.100  alice -> bob   ACK
11:00.000  alice -> bob   BYE
11:00.100  alice <- bob   200 BYE`, time.Minute, `
- 0s progress 1s ring 1s answer 600s: answered complete 100% code 200 cause 16 end 660s observed normal by
  caller cause_derived repeats 9 early`},
	{"a PBX sends one 183 and answers after nine minutes", `
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   183 sdp
09:00.000  alice <- bob   200 INVITE
09:00.100  alice -> bob   ACK
10:00.000  alice -> bob   BYE
10:00.100  alice <- bob   200 BYE`, time.Minute, `
- 0s progress 1s ring 1s answer 540s: answered complete 100% code 200 cause 16 end 600s observed normal by
  caller cause_derived early`},
	{"a caller gives up after nine minutes of silence", `
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   180
09:00.000  alice -> bob   CANCEL
09:00.010  alice <- bob   200 CANCEL
09:00.020  alice <- bob   487 INVITE
09:00.030  alice -> bob   ACK`, time.Minute, `
- 0s progress 1s ring 1s: cancelled complete 100% code 487 cause 0 end 540.02s observed cancel by caller`},
	{"100 again and again keeps nothing alive", `
00:00.000  alice -> bob   INVITE
00:00.010  alice <- bob   100
03:00.000  alice <- bob   100
03:30.000  alice -> bob   INVITE`, 5 * time.Minute, `
- 0s: no_answer partial 33% code 0 cause 0 end never ring_timeout timeout by unknown missing final_response
  repeats 2`},
	// Refused, then a new INVITE.
	{"a session timer that is too small is tried again at once", `
callid one
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   422
00:00.110  alice -> bob   ACK
00:01.000  alice -> bob   INVITE
00:02.000  alice <- bob   200 INVITE
00:02.100  alice -> bob   ACK
00:09.000  alice -> bob   BYE
00:09.100  alice <- bob   200 BYE`, time.Minute, `
- 0s answer 2s: answered complete 100% code 200 cause 16 end 9s observed normal by caller cause_derived`},
	{"a carrier is full and the next is tried at once", `
callid one
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   503
00:00.110  alice -> bob   ACK
00:02.100  alice -> bob   INVITE
00:03.000  alice <- bob   486
00:03.100  alice -> bob   ACK`, time.Minute, `
- 0s: busy complete 100% code 486 cause 17 end 3s observed failure by callee cause_derived`},
	{"a carrier is full and the next is tried later", `
callid one
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   503
00:00.110  alice -> bob   ACK
00:02.200  alice -> bob   INVITE
00:03.000  alice <- bob   486
00:03.100  alice -> bob   ACK`, time.Minute, `
- 0s: failed complete 100% code 503 cause 41 end 0.1s observed failure by network cause_derived
- 2.2s: busy complete 100% code 486 cause 17 end 3s observed failure by callee cause_derived reuse 1`},
	{"a refusal whose ACK is lost is followed at once", `
callid one
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   503
00:00.110  alice -> bob   ACK unseen
00:02.000  alice -> bob   INVITE
00:03.000  alice <- bob   486
00:03.100  alice -> bob   ACK`, time.Minute, `
- 0s: busy complete 100% code 486 cause 17 end 3s observed failure by callee cause_derived`},
	// In between.
	{"a re-INVITE's ACK is not the answer's", answeredUnseenAck + `
00:10.000  alice -> bob   INVITE
00:10.100  alice <- bob   200 INVITE
00:10.200  alice -> bob   ACK
01:00.000  alice -> bob   BYE
01:00.100  alice <- bob   200 BYE`, time.Minute, `
- 0s progress 1.2s ring 1.2s answer 4.9s: answered partial 80% code 200 cause 16 end 60s observed normal by
  caller no_ack cause_derived missing ack reinvites 1`},
	{"a refresh whose request was not seen", `
00:00.000  alice -> bob   INVITE
00:04.000  alice <- bob   200 INVITE
    Session-Expires: 1800
00:04.100  alice -> bob   ACK
15:00.000  alice -> bob   UPDATE unseen
15:00.100  alice <- bob   200 UPDATE
    Session-Expires: 1800`, 2 * time.Hour, `
- 0s answer 4s: answered partial 60% code 200 cause 0 end 900.1s session_timer session_timer by unknown missing
  bye reinvites 1 expires 1800`},
	{"a late BYE of a fork that was published ends no other", forks + `
00:05.000  alice <- bob   200 INVITE tag=one
00:05.020  alice -> bob   ACK tag=one
00:05.100  alice <- bob   200 INVITE tag=two
00:05.120  alice -> bob   ACK tag=two
00:06.000  alice -> bob   BYE tag=one
00:06.040  alice <- bob   200 BYE tag=one
00:50.000  alice -> bob   BYE tag=one
01:16.000  alice -> bob   BYE tag=two new
01:16.040  alice <- bob   200 BYE tag=two`, time.Minute, `
- 0s progress 0.1s ring 0.1s answer 5s: answered complete 100% code 200 cause 16 end 6s observed normal by
  caller cause_derived forks 2
- 0s progress 0.2s ring 0.2s answer 5.1s: answered complete 100% code 200 cause 16 end 76s observed normal by
  caller second_fork cause_derived forks 2`},
	{"neither answer nor ACK is seen, and the call is refreshed", `
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   180
00:02.000  alice <- bob   200 INVITE unseen
00:02.100  alice -> bob   ACK unseen
00:30.000  alice -> bob   INVITE
00:30.100  alice <- bob   200 INVITE
00:30.200  alice -> bob   ACK
01:00.000  alice <- bob   BYE
01:00.100  alice -> bob   200 BYE`, time.Minute, `
- 0s progress 1s ring 1s: answered partial 60% code 0 cause 16 end 60s observed normal by callee cause_derived
  missing final_response,ack reinvites 1`},
	{"a re-INVITE of an unknown call is refused", answeredUnseen + `
00:10.000  alice -> bob   INVITE
00:10.100  alice <- bob   488 INVITE
00:10.200  alice -> bob   ACK`, 10 * time.Minute, ``},
}

// answeredUnseenAck is an answered call whose ACK was lost.
var answeredUnseenAck = strings.Replace(answeredCall, "ACK", "ACK unseen", 1)

// every repeats a line for each minute from first to before end.
func every(line string, first, end int) (s string) {
	for i := first; i < end; i++ {
		s += strings.Replace(line, "%02d", string(rune('0'+i/10))+string(rune('0'+i%10)), 1)
	}
	return s
}

// TestSettledStoriesEndRight looks at the last revision of every record.
func TestSettledStoriesEndRight(t *testing.T) {
	for _, s := range slices.Concat(settledStories, updateStories) {
		t.Run(s.name, func(t *testing.T) {
			got, want := inWords(outcomes(t, play(t, s.ladder), s.wait)), strings.Fields(s.want)
			if !slices.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, " "), strings.Join(want, " "))
			}
		})
	}
}
