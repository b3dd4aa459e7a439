package track

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/sip/event"
)

const answeredCall = `
00:00.000  alice -> bob   INVITE
00:00.010  alice <- bob   100
00:01.200  alice <- bob   180
00:04.900  alice <- bob   200 INVITE
00:05.000  alice -> bob   ACK
`

// A story is a ladder and the calls that must be published of it.
type story struct {
	name, ladder string
	wait         time.Duration
	want         string // each call by lineOf, a line that begins with - for each
}

var stories = []story{
	{"an answered call that is hung up", answeredCall + `
01:04.900  alice -> bob   BYE
01:04.950  alice <- bob   200 BYE`, 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 64.9s observed normal
  by caller cause_derived`},
	{"the callee hangs up and gives a cause", answeredCall + `
01:04.900  alice <- bob   BYE
    Reason: Q.850;cause=31;text="x"
01:04.950  alice -> bob   200 BYE`, 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 31 end 64.9s observed normal
  by callee`},
	{"an INVITE is sent four times", `
00:00.000  alice -> bob   INVITE
00:00.500  alice -> bob   INVITE
00:01.500  alice -> bob   INVITE
00:03.500  alice -> bob   INVITE
00:03.600  alice <- bob   200 INVITE
00:03.700  alice -> bob   ACK
00:10.000  alice -> bob   BYE
00:10.100  alice <- bob   200 BYE`, 0,
		`
- 0s answer 3.6s: answered complete 100% code 200 cause 16 end 10s observed normal by caller cause_derived
  repeats 3`},
	{"a challenge is answered", `
00:00.000  alice -> bob   INVITE
00:00.020  alice <- bob   407
00:00.040  alice -> bob   ACK
00:51.060  alice -> bob   INVITE
00:52.000  alice <- bob   200 INVITE
00:52.100  alice -> bob   ACK
01:00.000  alice -> bob   BYE
01:00.100  alice <- bob   200 BYE`, 0,
		`
- 0s answer 52s: answered complete 100% code 200 cause 16 end 60s observed normal by caller cause_derived
  challenges 1`},
	{"a challenge is not answered", `
00:00.000  alice -> bob   INVITE
00:00.020  alice <- bob   407
00:00.040  alice -> bob   ACK`, 5 * time.Minute,
		`
- 0s: auth_failed complete 100% code 407 cause 0 end 0.02s observed failure by network challenges 1`},
	{"a capture ends at a challenge", `
00:00.000  alice -> bob   INVITE
00:00.020  alice <- bob   407
00:00.040  alice -> bob   ACK`, 0,
		`
- 0s: auth_failed partial 100% code 407 cause 0 end 0.02s observed failure by network challenges 1`},
	{"a caller gives up", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180
00:05.000  alice -> bob   CANCEL
00:05.010  alice <- bob   200 CANCEL
00:05.020  alice <- bob   487 INVITE
00:05.030  alice -> bob   ACK`, time.Minute,
		`
- 0s progress 0.1s ring 0.1s: cancelled complete 100% code 487 cause 0 end 5.02s observed cancel by caller`},
	{"a CANCEL and nothing more", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180
00:05.000  alice -> bob   CANCEL
00:05.010  alice <- bob   200 CANCEL`, 0,
		`
- 0s progress 0.1s ring 0.1s: cancelled partial 50% code 0 cause 0 end 5s observed cancel by caller missing
  final_response,ack`},
	{"a CANCEL passes the answer", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180
00:05.000  alice -> bob   CANCEL
00:05.005  alice <- bob   200 INVITE
00:05.010  alice <- bob   200 CANCEL
00:05.020  alice -> bob   ACK
00:05.030  alice -> bob   BYE
00:05.040  alice <- bob   200 BYE`, 0,
		`
- 0s progress 0.1s ring 0.1s answer 5.005s: answered complete 100% code 200 cause 16 end 5.03s observed normal
  by caller cancel_race cause_derived`},
	{"two forks ring and one answers", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180 tag=one
00:00.200  alice <- bob   180 tag=two
00:05.000  alice <- bob   200 INVITE tag=two
00:05.020  alice -> bob   ACK
00:06.000  alice -> bob   BYE
00:06.040  alice <- bob   200 BYE tag=two`, 0,
		`
- 0s progress 0.1s ring 0.1s answer 5s: answered complete 100% code 200 cause 16 end 6s observed normal by
  caller cause_derived forks 2`},
	{"no final response", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180`, 5 * time.Minute,
		`
- 0s progress 0.1s ring 0.1s: no_answer partial 33% code 0 cause 0 end never ring_timeout timeout by unknown
  missing final_response`},
	{"an answered call without an end, at the end of a file", answeredCall, 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered partial 60% code 200 cause 0 end never capture_end
  capture_end by unknown missing bye`},
	{"an answered call without an end", answeredCall, 5 * time.Hour,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered partial 60% code 200 cause 0 end never max_duration timeout
  by unknown missing bye`},
	{"a session timer runs out", `
00:00.000  alice -> bob   INVITE
00:04.000  alice <- bob   200 INVITE
    Session-Expires: 1800;refresher=uac
00:04.100  alice -> bob   ACK
15:04.000  alice -> bob   UPDATE
15:04.100  alice <- bob   200 UPDATE
    Session-Expires: 1800`, 2 * time.Hour,
		`
- 0s answer 4s: answered partial 60% code 200 cause 0 end 904.1s session_timer session_timer by unknown
  missing bye reinvites 1 expires 1800`},
	{"a BYE is challenged", answeredCall + `
01:00.000  alice -> bob   BYE
01:00.100  alice <- bob   407 BYE
01:01.000  alice -> bob   BYE new
01:01.100  alice <- bob   200 BYE`, 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed normal by
  caller cause_derived`},
	{"two BYEs cross", answeredCall + `
01:00.000  alice <- bob   BYE
01:00.010  alice -> bob   BYE
01:00.100  alice -> bob   200 BYE
01:00.110  alice <- bob   200 BYE`, time.Minute,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed normal by
  callee cause_derived`},
	{"a call is held and resumed", answeredCall + `
00:10.000  alice -> bob   INVITE hold
00:10.100  alice <- bob   200 INVITE
00:10.200  alice -> bob   ACK
00:30.000  alice -> bob   INVITE
00:30.100  alice <- bob   200 INVITE
00:30.200  alice -> bob   ACK
01:00.000  alice -> bob   BYE
01:00.100  alice <- bob   200 BYE`, 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed normal by
  caller cause_derived reinvites 2 holds 1 20s`},
	{"a re-INVITE is refused", answeredCall + `
00:10.000  alice -> bob   INVITE
00:10.100  alice <- bob   488 INVITE
00:10.200  alice -> bob   ACK
01:00.000  alice -> bob   BYE
01:00.100  alice <- bob   200 BYE`, 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed normal by
  caller cause_derived`},
	{"a re-INVITE finds no dialog", answeredCall + `
00:10.000  alice -> bob   INVITE
00:10.100  alice <- bob   481 INVITE
00:10.200  alice -> bob   ACK`, 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered partial 60% code 200 cause 0 end 10.1s observed dialog_lost
  by network missing bye`},
	{"a redirect is followed", `
00:00.000  alice -> bob   INVITE
00:00.020  alice <- bob   302
00:00.040  alice -> bob   ACK
00:00.060  alice -> bob   INVITE
00:01.000  alice <- bob   200 INVITE
00:01.100  alice -> bob   ACK
01:00.000  alice -> bob   BYE
01:00.100  alice <- bob   200 BYE`, 0,
		`
- 0s answer 1s: answered complete 100% code 200 cause 16 end 60s observed normal by caller cause_derived
  redirects 1`},
	{"a mirror shows everything twice", twice(answeredCall + `
01:04.900  alice -> bob   BYE
01:04.950  alice <- bob   200 BYE`), 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 64.9s observed normal
  by caller cause_derived`},
	{"busy with a cause", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   183 sdp
00:00.200  alice -> bob   PRACK
00:00.210  alice <- bob   200 PRACK
00:01.000  alice <- bob   486 INVITE
    Reason: SIP;cause=486, Q.850;cause=17
00:01.100  alice -> bob   ACK`, time.Minute,
		`
- 0s progress 0.1s ring 0.1s: busy complete 100% code 486 cause 17 end 1s observed failure by callee early`},
	{"a server error", `
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   503
00:01.100  alice -> bob   ACK`, time.Minute,
		`
- 0s: failed complete 100% code 503 cause 41 end 1s observed failure by network cause_derived`},
	{"an answer that nobody acknowledges", `
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   200 INVITE
00:01.500  alice <- bob   200 INVITE
00:02.500  alice <- bob   200 INVITE
00:33.000  alice <- bob   BYE
00:33.100  alice -> bob   200 BYE`, 0,
		`
- 0s answer 1s: answered partial 80% code 200 cause 16 end 33s observed normal by callee no_ack cause_derived
  missing ack repeats 2`},
	{"only the BYE and its answer are seen", `
00:00.000  alice -> bob   INVITE unseen
00:01.000  alice <- bob   200 INVITE unseen
00:01.100  alice -> bob   ACK unseen
00:33.000  alice <- bob   BYE
00:33.100  alice -> bob   200 BYE`, 0,
		`
- never first 33s: answered partial 40% code 0 cause 16 end 33s observed normal by unknown cause_derived
  missing invite,final_response,ack`},
	{"only requests are seen", `
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   200 INVITE unseen
00:01.100  alice -> bob   ACK
00:33.000  alice -> bob   BYE
00:33.100  alice <- bob   200 BYE unseen`, time.Minute,
		`
- 0s answer 1.1s: answered partial 60% code 0 cause 16 end 33s observed normal by caller cause_derived
  answer_by_ack missing final_response,bye_response,one_direction`},
	{"only responses are seen", `
00:00.000  alice -> bob   INVITE unseen
00:00.500  alice <- bob   180
00:01.000  alice <- bob   200 INVITE
00:01.100  alice -> bob   ACK unseen
00:33.000  alice -> bob   BYE unseen
00:33.100  alice <- bob   200 BYE`, 0,
		`
- never first 1s answer 1s: answered partial 40% code 200 cause 0 end 33.1s observed normal by caller missing
  invite,ack,bye,one_direction`},
	{"only requests of a refused call are seen", `
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   486 INVITE unseen
00:01.100  alice -> bob   ACK`, 5 * time.Minute,
		`
- 0s: no_answer partial 66% code 0 cause 0 end never ring_timeout timeout by unknown missing
  final_response,one_direction`},
	{"a transfer is accepted", answeredCall + `
00:10.000  alice -> bob   REFER
    Refer-To: <sip:+13035550177@example.net>
00:10.100  alice <- bob   202 REFER
01:00.000  alice -> bob   BYE
01:00.100  alice <- bob   200 BYE`, 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed transfer
  by caller cause_derived transfer 1`},
	{"a late 180 changes nothing", answeredCall + `
00:06.000  alice <- bob   180 INVITE
01:00.000  alice -> bob   BYE
01:00.100  alice <- bob   200 BYE`, 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed normal by
  caller cause_derived repeats 1`},
}

// twice is ladder, each packet shown by two taps.
func twice(ladder string) string {
	return strings.ReplaceAll(strings.TrimSpace(strings.ReplaceAll(ladder, "\n\n", "\n")), "\n", " twice\n") + " twice"
}

// allStories are the stories of every file.
func allStories() []story {
	return slices.Concat(stories, refusedStories, answeredStories, unseenStories, againStories, settledStories)
}

func TestStoriesGiveTheirRecords(t *testing.T) {
	for _, s := range slices.Concat(stories, refusedStories, answeredStories, unseenStories, againStories) {
		t.Run(s.name, func(t *testing.T) {
			if got, want := inWords(callsOf(t, s.ladder, s.wait)), strings.Fields(s.want); !slices.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, " "), strings.Join(want, " "))
			}
		})
	}
}

// inWords returns the words of cs, as a story has them.
func inWords(cs []*event.Call) (words []string) {
	for _, c := range cs {
		words = append(append(words, "-"), strings.Fields(lineOf(c))...)
	}
	return words
}
