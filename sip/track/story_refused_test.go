package track

import "time"

// refusedStories are of calls that nobody answered.
var refusedStories = []story{
	{"a refused call that rang", `
00:00.000  alice -> bob   INVITE
00:02.000  alice <- bob   180
00:20.000  alice <- bob   480 INVITE
00:20.010  alice -> bob   ACK`, time.Minute,
		`
- 0s progress 2s ring 2s: no_answer complete 100% code 480 cause 18 end 20s observed failure by callee
  cause_derived`},
	{"a refused call that did not ring", `
00:00.000  alice -> bob   INVITE
00:02.000  alice <- bob   480 INVITE
00:02.010  alice -> bob   ACK`, time.Minute,
		`
- 0s: unreachable complete 100% code 480 cause 18 end 2s observed failure by callee cause_derived`},
	{"a callee declines", `
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   180
00:02.000  alice <- bob   603 INVITE
00:02.010  alice -> bob   ACK`, time.Minute,
		`
- 0s progress 1s ring 1s: rejected complete 100% code 603 cause 21 end 2s observed failure by callee
  cause_derived`},
	{"a number that does not exist", `
00:00.000  alice -> bob   INVITE
00:02.000  alice <- bob   404 INVITE
00:02.500  alice <- bob   404 INVITE
00:02.510  alice -> bob   ACK`, time.Minute,
		`
- 0s: unreachable complete 100% code 404 cause 1 end 2s observed failure by callee cause_derived repeats 1`},
	{"a request timeout", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180
01:00.000  alice <- bob   408 INVITE
01:00.010  alice -> bob   ACK`, time.Minute,
		`
- 0s progress 0.1s ring 0.1s: no_answer complete 100% code 408 cause 102 end 60s observed timeout by network
  cause_derived`},
	{"a refusal that is not acknowledged", `
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   486
00:01.500  alice <- bob   486
00:02.500  alice <- bob   486`, time.Minute,
		`
- 0s: busy partial 66% code 486 cause 17 end 1s observed failure by callee cause_derived missing ack repeats 2`},
	{"a refusal at the end of a file", `
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   486
00:01.010  alice -> bob   ACK`, 0,
		`
- 0s: busy complete 100% code 486 cause 17 end 1s observed failure by callee cause_derived`},
	{"a redirect is not followed", `
00:00.000  alice -> bob   INVITE
00:00.020  alice <- bob   302
00:00.040  alice -> bob   ACK`, 5 * time.Minute,
		`
- 0s: redirected complete 100% code 302 cause 0 end 0.02s observed failure by network`},
	{"credentials are refused", `
00:00.000  alice -> bob   INVITE
00:00.020  alice <- bob   407
00:00.040  alice -> bob   ACK
00:00.060  alice -> bob   INVITE
00:00.080  alice <- bob   407
00:00.100  alice -> bob   ACK`, 5 * time.Minute,
		`
- 0s: auth_failed complete 100% code 407 cause 0 end 0.08s observed failure by network challenges 2`},
	{"credentials are right and the number is barred", `
00:00.000  alice -> bob   INVITE
00:00.020  alice <- bob   401
00:00.040  alice -> bob   ACK
00:00.060  alice -> bob   INVITE
00:00.080  alice <- bob   403
00:00.100  alice -> bob   ACK`, time.Minute,
		`
- 0s: rejected complete 100% code 403 cause 21 end 0.08s observed failure by callee cause_derived challenges 1`},
	{"a 487 whose CANCEL was not seen", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180
00:05.000  alice -> bob   CANCEL unseen
00:05.010  alice <- bob   200 CANCEL unseen
00:05.020  alice <- bob   487 INVITE
00:05.030  alice -> bob   ACK`, time.Minute,
		`
- 0s progress 0.1s ring 0.1s: cancelled partial 75% code 487 cause 0 end 5.02s observed cancel by caller
  missing cancel`},
	{"a CANCEL that another phone's answer caused", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180
00:05.000  alice -> bob   CANCEL
    Reason: SIP;cause=200;text="Call completed elsewhere"
    Reason: Q.850;cause=26
00:05.010  alice <- bob   200 CANCEL
00:05.020  alice <- bob   487 INVITE
00:05.030  alice -> bob   ACK`, time.Minute,
		`
- 0s progress 0.1s ring 0.1s: cancelled complete 100% code 487 cause 26 end 5.02s observed cancel by caller`},
	{"a CANCEL that meets a busy phone", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180
00:05.000  alice -> bob   CANCEL
00:05.005  alice <- bob   486 INVITE
00:05.010  alice <- bob   481 CANCEL
00:05.030  alice -> bob   ACK`, time.Minute,
		`
- 0s progress 0.1s ring 0.1s: busy complete 100% code 486 cause 17 end 5.005s observed failure by caller
  cause_derived`},
	{"a busy phone that a CANCEL comes too late for", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180
00:05.000  alice <- bob   486 INVITE
00:05.005  alice -> bob   CANCEL
00:05.010  alice <- bob   481 CANCEL
00:05.030  alice -> bob   ACK`, time.Minute,
		`
- 0s progress 0.1s ring 0.1s: busy complete 100% code 486 cause 17 end 5s observed failure by callee
  cause_derived`},
	{"a CANCEL and nothing more, until the wait is over", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180
00:05.000  alice -> bob   CANCEL
00:05.010  alice <- bob   200 CANCEL`, 5 * time.Minute,
		`
- 0s progress 0.1s ring 0.1s: cancelled partial 50% code 0 cause 0 end 5s observed cancel by caller missing
  final_response,ack`},
	{"a caller hangs up a call that is not answered yet", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180
00:05.000  alice -> bob   BYE
00:05.010  alice <- bob   200 BYE
00:05.020  alice <- bob   487 INVITE
00:05.030  alice -> bob   ACK`, time.Minute,
		`
- 0s progress 0.1s ring 0.1s: cancelled complete 100% code 487 cause 0 end 5s observed cancel by caller`},
	{"an INVITE and nothing more, at the end of a file", `
00:00.000  alice -> bob   INVITE
00:00.500  alice -> bob   INVITE`, 0,
		`
- 0s: no_answer partial 33% code 0 cause 0 end never capture_end capture_end by unknown missing
  final_response,one_direction repeats 1`},
	{"the second INVITE of a challenged call was not seen", `
00:00.000  alice -> bob   INVITE
00:00.020  alice <- bob   407
00:00.040  alice -> bob   ACK
00:00.060  alice -> bob   INVITE unseen
00:01.000  alice <- bob   180 INVITE
00:02.000  alice <- bob   486 INVITE
00:02.100  alice -> bob   ACK`, time.Minute,
		`
- 0s progress 1s ring 1s: busy complete 100% code 486 cause 17 end 2s observed failure by callee cause_derived
  challenges 1`},
	{"a further CANCEL and ACK are for nothing", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180
00:05.000  alice -> bob   CANCEL
00:05.010  alice <- bob   200 CANCEL
00:05.020  alice <- bob   487 INVITE
00:05.030  alice -> bob   ACK
00:05.520  alice <- bob   487 INVITE
00:05.530  alice -> bob   ACK
00:06.520  alice -> bob   CANCEL`, time.Minute,
		`
- 0s progress 0.1s ring 0.1s: cancelled complete 100% code 487 cause 0 end 5.02s observed cancel by caller
  repeats 3`},
}
