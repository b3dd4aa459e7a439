package track

import "time"

// updateStories are of an UPDATE before the answer (RFC 3311), which proves nothing if something else decides.
var updateStories = []story{
	{"an UPDATE before the answer, and a refusal after the wait", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   183 sdp
00:00.200  alice -> bob   UPDATE
00:00.210  alice <- bob   200 UPDATE
09:00.000  alice <- bob   486 INVITE
09:00.100  alice -> bob   ACK`, time.Minute, `
- 0s progress 0.1s ring 0.1s: busy complete 100% code 486 cause 17 end 540s observed failure by callee
  cause_derived early`},
	{"an UPDATE before the answer, and an answer after the wait", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   183 sdp
00:00.200  alice -> bob   UPDATE
00:00.210  alice <- bob   200 UPDATE
09:00.000  alice <- bob   200 INVITE
09:00.100  alice -> bob   ACK
10:00.000  alice <- bob   BYE
10:00.100  alice -> bob   200 BYE`, time.Minute, `
- 0s progress 0.1s ring 0.1s answer 540s: answered complete 100% code 200 cause 16 end 600s observed normal by
  callee cause_derived early`},
	{"an UPDATE, and the caller gives up", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   183 sdp
00:00.200  alice <- bob   UPDATE
00:00.210  alice -> bob   200 UPDATE
00:05.000  alice -> bob   CANCEL
00:05.010  alice <- bob   200 CANCEL
00:05.020  alice <- bob   487 INVITE
00:05.030  alice -> bob   ACK`, time.Minute, `
- 0s progress 0.1s ring 0.1s: cancelled complete 100% code 487 cause 0 end 5.02s observed cancel by caller early`},
	{"an UPDATE after an answer that was not seen", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180
00:05.000  alice <- bob   200 INVITE unseen
00:05.100  alice -> bob   ACK unseen
00:30.000  alice -> bob   UPDATE
00:30.100  alice <- bob   200 UPDATE
01:00.000  alice <- bob   BYE
01:00.100  alice -> bob   200 BYE`, 5 * time.Minute, `
- 0s progress 0.1s ring 0.1s: answered partial 60% code 0 cause 16 end 60s observed normal by callee cause_derived
  missing final_response,ack reinvites 1`},
}
