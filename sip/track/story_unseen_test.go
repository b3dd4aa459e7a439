package track

import "time"

// answeredUnseen is a call that was answered before the capture began.
const answeredUnseen = `
00:00.000  alice -> bob   INVITE unseen
00:04.900  alice <- bob   200 INVITE unseen
00:05.000  alice -> bob   ACK unseen
`

// unseenStories are of calls of which a part was not captured.
var unseenStories = []story{
	{"a call is taken up at a re-INVITE", answeredUnseen + `
00:10.000  alice -> bob   INVITE hold
00:10.100  alice <- bob   200 INVITE
00:10.200  alice -> bob   ACK
01:00.000  alice <- bob   BYE
01:00.100  alice -> bob   200 BYE`, 0,
		`
- never first 10s: answered partial 60% code 0 cause 16 end 60s observed normal by callee cause_derived
  missing invite,ack reinvites 1 holds 1 49.9s`},
	{"a call is taken up at its answer, though it had rung", `
00:00.000  alice -> bob   INVITE unseen
00:01.200  alice <- bob   180
00:04.900  alice <- bob   200 INVITE
00:05.000  alice -> bob   ACK
01:04.900  alice -> bob   BYE
01:04.950  alice <- bob   200 BYE`, 0,
		`
- never first 4.9s answer 4.9s: answered partial 80% code 200 cause 16 end 64.9s observed normal by caller
  cause_derived missing invite`},
	{"a call is taken up after its ACK", answeredUnseen + `
01:00.000  alice <- bob   BYE
01:00.100  alice -> bob   200 BYE`, time.Minute,
		`
- never first 60s: answered partial 40% code 0 cause 16 end 60s observed normal by unknown cause_derived
  missing invite,final_response,ack`},
	{"a BYE that nobody accepts is no call", answeredUnseen + `
01:00.000  alice <- bob   BYE
01:00.100  alice -> bob   481 BYE`, time.Minute,
		``},
	{"a BYE that nobody answers is no call", answeredUnseen + `
01:00.000  alice <- bob   BYE`, time.Minute,
		``},
	{"an answer is lost and its ACK is not", `
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   180
00:02.000  alice <- bob   200 INVITE unseen
00:02.100  alice -> bob   ACK
00:09.000  alice -> bob   BYE
00:09.100  alice <- bob   200 BYE`, 0,
		`
- 0s progress 1s ring 1s answer 2.1s: answered partial 80% code 0 cause 16 end 9s observed normal by caller
  cause_derived answer_by_ack missing final_response`},
	{"an ACK is seen before the answer that it is for", `
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   180
00:02.000  alice <- bob   200 INVITE unseen
00:02.001  alice -> bob   ACK
00:02.002  alice <- bob   200 INVITE
00:09.000  alice -> bob   BYE
00:09.100  alice <- bob   200 BYE`, 0,
		`
- 0s progress 1s ring 1s answer 2.002s: answered complete 100% code 200 cause 16 end 9s observed normal by
  caller cause_derived`},
	{"only the INVITE and the end are seen", `
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   200 INVITE unseen
00:01.100  alice -> bob   ACK unseen
00:09.000  alice -> bob   BYE
00:09.100  alice <- bob   200 BYE`, time.Minute,
		`
- 0s: cancelled partial 50% code 0 cause 0 end 9s observed cancel by caller missing final_response,ack`},
	{"only responses of a refused call are no call", `
00:00.000  alice -> bob   INVITE unseen
00:01.000  alice <- bob   180
00:02.000  alice <- bob   486 INVITE`, 5 * time.Minute,
		``},
	{"only requests of a cancelled call are seen", `
00:00.000  alice -> bob   INVITE
00:01.000  alice -> bob   CANCEL
00:01.010  alice <- bob   200 CANCEL unseen
00:01.020  alice <- bob   487 INVITE unseen
00:01.100  alice -> bob   ACK`, 5 * time.Minute,
		`
- 0s: cancelled partial 75% code 0 cause 0 end 1s observed cancel by caller missing
  final_response,one_direction`},
	{"an answered call over a lost end is published with what is missing", answeredCall + `
01:00.000  alice -> bob   BYE unseen
01:00.100  alice <- bob   200 BYE`, time.Minute,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered partial 80% code 200 cause 0 end 60.1s observed normal by
  caller missing bye`},
}
