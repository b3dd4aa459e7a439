package track

import "time"

// answeredStories are of calls that went on in unusual ways.
var answeredStories = []story{
	{"an answer that is sent ten times before the callee gives up", `
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   180
00:02.000  alice <- bob   200 INVITE
00:02.500  alice <- bob   200 INVITE
00:03.500  alice <- bob   200 INVITE
00:05.500  alice <- bob   200 INVITE
00:09.500  alice <- bob   200 INVITE
00:13.500  alice <- bob   200 INVITE
00:17.500  alice <- bob   200 INVITE
00:21.500  alice <- bob   200 INVITE
00:25.500  alice <- bob   200 INVITE
00:29.500  alice <- bob   200 INVITE
00:33.500  alice <- bob   200 INVITE
00:34.000  alice <- bob   BYE
00:34.100  alice -> bob   200 BYE`, 0,
		`
- 0s progress 1s ring 1s answer 2s: answered partial 80% code 200 cause 16 end 34s observed normal by callee
  no_ack cause_derived missing ack repeats 10`},
	{"a call whose ACK was lost and that is short", `
00:00.000  alice -> bob   INVITE
00:02.000  alice <- bob   200 INVITE
00:04.000  alice -> bob   BYE
00:04.100  alice <- bob   200 BYE`, 0,
		`
- 0s answer 2s: answered partial 80% code 200 cause 16 end 4s observed normal by caller cause_derived missing
  ack`},
	{"an ACK that comes after 32 seconds", `
00:00.000  alice -> bob   INVITE
00:02.000  alice <- bob   200 INVITE
00:40.000  alice -> bob   ACK
00:50.000  alice -> bob   BYE
00:50.100  alice <- bob   200 BYE`, 0,
		`
- 0s answer 2s: answered complete 100% code 200 cause 16 end 50s observed normal by caller no_ack
  cause_derived`},
	{"a CANCEL that comes after the answer", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   180
00:05.000  alice <- bob   200 INVITE
00:05.005  alice -> bob   CANCEL
00:05.010  alice <- bob   481 CANCEL
00:05.020  alice -> bob   ACK
00:05.030  alice -> bob   BYE
00:05.040  alice <- bob   200 BYE`, 0,
		`
- 0s progress 0.1s ring 0.1s answer 5s: answered complete 100% code 200 cause 16 end 5.03s observed normal by
  caller cancel_race cause_derived`},
	{"nobody answers the BYE", answeredCall + `
01:00.000  alice -> bob   BYE
01:00.500  alice -> bob   BYE
01:01.500  alice -> bob   BYE`, 2 * time.Minute,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered partial 80% code 200 cause 16 end 60s observed normal by
  caller cause_derived missing bye_response repeats 2`},
	{"nobody answers the BYE before the file ends", answeredCall + `
01:00.000  alice -> bob   BYE`, 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered partial 80% code 200 cause 16 end 60s observed normal by
  caller cause_derived missing bye_response`},
	{"the other side has forgotten the call that is hung up", answeredCall + `
01:00.000  alice <- bob   BYE
01:00.010  alice -> bob   481 BYE`, time.Minute,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed normal by
  callee cause_derived`},
	{"a BYE is challenged and never accepted", answeredCall + `
01:00.000  alice -> bob   BYE
01:00.100  alice <- bob   401 BYE
01:01.000  alice -> bob   BYE new
01:01.100  alice <- bob   401 BYE`, 5 * time.Minute,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered partial 80% code 200 cause 16 end 60s observed normal by
  caller cause_derived missing bye_response`},
	{"a hold lasts until the end", answeredCall + `
00:10.000  alice <- bob   INVITE hold
00:10.100  alice -> bob   200 INVITE
00:10.200  alice <- bob   ACK
01:00.000  alice -> bob   BYE
01:00.100  alice <- bob   200 BYE`, 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed normal by
  caller cause_derived reinvites 1 holds 1 49.9s`},
	{"both sides hold, and one resumes", answeredCall + `
00:10.000  alice -> bob   INVITE hold
00:10.100  alice <- bob   200 INVITE
00:10.200  alice -> bob   ACK
00:20.000  alice <- bob   INVITE hold
00:20.100  alice -> bob   200 INVITE hold
00:20.200  alice <- bob   ACK
00:30.000  alice -> bob   INVITE
00:30.100  alice <- bob   200 INVITE hold
00:30.200  alice -> bob   ACK
01:00.000  alice -> bob   BYE
01:00.100  alice <- bob   200 BYE`, 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed normal by
  caller cause_derived reinvites 3 holds 1 49.9s`},
	{"who was held answers that it does not hold", answeredCall + `
00:10.000  alice -> bob   INVITE hold
00:10.100  alice <- bob   200 INVITE
00:10.200  alice -> bob   ACK
00:20.000  alice <- bob   UPDATE sdp
00:20.100  alice -> bob   200 UPDATE sdp
01:00.000  alice -> bob   BYE
01:00.100  alice <- bob   200 BYE`, 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed normal by
  caller cause_derived reinvites 2 holds 1 10s`},
	{"an UPDATE holds, the address of nobody resumes nothing", answeredCall + `
00:10.000  alice -> bob   UPDATE hold
00:10.100  alice <- bob   200 UPDATE
00:20.000  alice -> bob   INVITE
    Content-Type: application/sdp
    | v=0
    | o=- 1 2 IN IP4 192.0.2.10
    | s=-
    | c=IN IP4 0.0.0.0
    | t=0 0
    | m=audio 40000 RTP/AVP 0
00:20.100  alice <- bob   200 INVITE
00:20.200  alice -> bob   ACK
00:30.000  alice -> bob   INVITE
00:30.100  alice <- bob   200 INVITE
00:30.200  alice -> bob   ACK
01:00.000  alice -> bob   BYE
01:00.100  alice <- bob   200 BYE`, 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed normal by
  caller cause_derived reinvites 3 holds 1 20s`},
	{"re-INVITEs that meet are refused and sent again", answeredCall + `
00:10.000  alice -> bob   INVITE hold
00:10.010  alice <- bob   INVITE
00:10.020  alice -> bob   491 INVITE
00:10.030  alice <- bob   491 INVITE
00:10.040  alice <- bob   ACK
00:10.050  alice -> bob   ACK
00:12.000  alice -> bob   INVITE hold
00:12.100  alice <- bob   200 INVITE
00:12.200  alice -> bob   ACK
01:00.000  alice -> bob   BYE
01:00.100  alice <- bob   200 BYE`, 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed normal by
  caller cause_derived reinvites 1 holds 1 47.9s`},
	{"a re-INVITE is given up", answeredCall + `
00:10.000  alice -> bob   INVITE
00:11.000  alice -> bob   CANCEL
00:11.010  alice <- bob   200 CANCEL
00:11.020  alice <- bob   487 INVITE
00:11.030  alice -> bob   ACK
01:00.000  alice -> bob   BYE
01:00.100  alice <- bob   200 BYE`, 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 60s observed normal by
  caller cause_derived`},
	{"an UPDATE times out, and the BYE that follows is refused", answeredCall + `
00:10.000  alice <- bob   UPDATE
00:42.000  alice -> bob   408 UPDATE
00:42.010  alice <- bob   BYE
00:42.020  alice -> bob   481 BYE`, time.Minute,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 42.01s observed normal
  by callee cause_derived`},
	{"an UPDATE before the answer is no change of the call", `
00:00.000  alice -> bob   INVITE
00:00.100  alice <- bob   183 sdp
00:00.200  alice -> bob   UPDATE hold
00:00.210  alice <- bob   200 UPDATE
00:01.000  alice <- bob   200 INVITE
00:01.100  alice -> bob   ACK
00:09.000  alice <- bob   BYE
00:09.100  alice -> bob   200 BYE`, 0,
		`
- 0s progress 0.1s ring 0.1s answer 1s: answered complete 100% code 200 cause 16 end 9s observed normal by
  callee cause_derived early`},
	{"a session timer that nobody refreshes", `
00:00.000  alice -> bob   INVITE
00:04.000  alice <- bob   200 INVITE
    Session-Expires: 1800;refresher=uac
00:04.100  alice -> bob   ACK
00:20.000  alice -> bob   INFO
00:20.100  alice <- bob   200 INFO`, 2 * time.Hour,
		`
- 0s answer 4s: answered partial 60% code 200 cause 0 end 4s session_timer session_timer by unknown missing
  bye expires 1800`},
	{"a refresh without a session timer ends the timer", `
00:00.000  alice -> bob   INVITE
00:04.000  alice <- bob   200 INVITE
    Session-Expires: 90
00:04.100  alice -> bob   ACK
00:50.000  alice -> bob   INVITE
00:50.100  alice <- bob   200 INVITE
00:50.200  alice -> bob   ACK
10:00.000  alice -> bob   BYE
10:00.100  alice <- bob   200 BYE`, 0,
		`
- 0s answer 4s: answered complete 100% code 200 cause 16 end 600s observed normal by caller cause_derived
  reinvites 1`},
	{"a transfer to a call that is up", answeredCall + `
00:10.000  alice -> bob   REFER
    Refer-To: <sip:+13035550177@example.net?Replaces=a84b%40host%3Bto-tag%3D1%3Bfrom-tag%3D2>
00:10.100  alice <- bob   202 REFER
00:10.200  alice <- bob   NOTIFY
00:10.300  alice -> bob   200 NOTIFY
00:12.000  alice -> bob   BYE
00:12.100  alice <- bob   200 BYE`, 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 12s observed transfer
  by caller cause_derived transfer 2`},
	{"a transfer is refused", answeredCall + `
00:10.000  alice -> bob   REFER
00:10.100  alice <- bob   603 REFER
00:12.000  alice -> bob   BYE
00:12.100  alice <- bob   200 BYE`, 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 12s observed normal by
  caller cause_derived`},
	{"one host speaks to itself", `
alice is +13035550110 at 127.0.0.1:5070
bob is +13035550111 at 127.0.0.1:5080
00:00.000  alice -> bob   INVITE
00:00.010  alice <- bob   100
00:01.200  alice <- bob   180
00:04.900  alice <- bob   200 INVITE
00:05.000  alice -> bob   ACK
01:04.900  alice <- bob   BYE
01:04.950  alice -> bob   200 BYE`, 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 64.9s observed normal
  by callee cause_derived`},
	{"calls over TCP and IPv6 are published alike", `
transport tcp
ipv6` + answeredCall + `
01:04.900  alice -> bob   BYE
01:04.950  alice <- bob   200 BYE`, 0,
		`
- 0s progress 1.2s ring 1.2s answer 4.9s: answered complete 100% code 200 cause 16 end 64.9s observed normal
  by caller cause_derived`},
	{"a provisional response with another body is no repeat", `
00:00.000  alice -> bob   INVITE
00:01.000  alice <- bob   183 nosdp
00:02.000  alice <- bob   183 sdp
00:03.000  alice <- bob   183 sdp
00:04.000  alice <- bob   200 INVITE
00:04.100  alice -> bob   ACK
00:09.000  alice -> bob   BYE
00:09.100  alice <- bob   200 BYE`, 0,
		`
- 0s progress 1s ring 1s answer 4s: answered complete 100% code 200 cause 16 end 9s observed normal by caller
  cause_derived repeats 1 early`},
}
