package track

import "time"

// againStories are of Call-IDs that are used more than once.
var againStories = []story{
	{"a Call-ID is used again the next day", `
callid pbx-1
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   486
00:01.100  alice -> bob   ACK
23:59:00.000  alice -> bob   INVITE
    From: <sip:+13035550110@192.0.2.10>;tag=another
23:59:01.000  alice <- bob   200 INVITE
23:59:01.100  alice -> bob   ACK
    From: <sip:+13035550110@192.0.2.10>;tag=another
24:09:01.000  alice -> bob   BYE
    From: <sip:+13035550110@192.0.2.10>;tag=another
24:09:01.100  alice <- bob   200 BYE`, time.Minute,
		`
- 0s: busy complete 100% code 486 cause 17 end 1s observed failure by callee cause_derived
- 86340s answer 86341s: answered complete 100% code 200 cause 16 end 86941s observed normal by caller
  cause_derived`},
	{"a Call-ID and tag are used again at once", `
callid pbx-1
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   486
00:01.100  alice -> bob   ACK
00:08.000  alice -> bob   INVITE
00:09.000  alice <- bob   486
00:09.100  alice -> bob   ACK`, time.Minute,
		`
- 0s: busy complete 100% code 486 cause 17 end 1s observed failure by callee cause_derived
- 8s: busy complete 100% code 486 cause 17 end 9s observed failure by callee cause_derived reuse 1`},
	{"a Call-ID and tag are used again the next day", `
callid pbx-1
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   486
00:01.100  alice -> bob   ACK
24:00:00.000  alice -> bob   INVITE
24:00:01.000  alice <- bob   486
24:00:01.100  alice -> bob   ACK`, time.Minute,
		`
- 0s: busy complete 100% code 486 cause 17 end 1s observed failure by callee cause_derived
- 86400s: busy complete 100% code 486 cause 17 end 86401s observed failure by callee cause_derived`},
	{"a Call-ID and tag are used again hours later", `
callid pbx-1
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   486
00:01.100  alice -> bob   ACK
03:00:00.000  alice -> bob   INVITE
03:00:01.000  alice <- bob   486
03:00:01.100  alice -> bob   ACK
06:00:00.000  alice -> bob   INVITE
06:00:01.000  alice <- bob   486
06:00:01.100  alice -> bob   ACK`, time.Minute,
		`
- 0s: busy complete 100% code 486 cause 17 end 1s observed failure by callee cause_derived
- 10800s: busy complete 100% code 486 cause 17 end 10801s observed failure by callee cause_derived reuse 1
- 21600s: busy complete 100% code 486 cause 17 end 21601s observed failure by callee cause_derived reuse 2`},
}
