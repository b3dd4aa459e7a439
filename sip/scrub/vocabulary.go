package scrub

import "strings"

// vocabulary is the words of SIP, SDP and what they carry that stay where a text has words of the protocol: methods,
// option tags, event packages, parameters, types, reason phrases, codecs. No word of it is a person's name.
var vocabulary = setOf(`
invite ack bye cancel register options prack subscribe notify publish info refer message update sip sips tel urn http
https udp tcp tls sctp ws wss 2.0 1.0 1.1 q.850 uuid service sos police fire ambulance 100rel 199 answermode
early-session eventlist explicitsub from-change geolocation-http geolocation-sip gin gruu histinfo ice join
multiple-refer norefersub nosub outbound path policy precondition pref privacy recipient-list-invite
recipient-list-message recipient-list-subscribe replaces resource-priority sdp-anat sec-agree siprec tdialog timer
trickle-ice uui conference dialog message-summary presence reg refer-event ua-profile winfo kpml as-feature-event
line-seize call-completion application sdp text plain xml html json multipart mixed alternative related sipfrag
simple-message-summary dialog-info conference-info pidf isup dtmf-relay dtmf media_control pkcs7-mime identity
encoding utf-8 binary base64 gzip deflate compress session render early icon alert by-reference required optional
handling charset boundary en active pending terminated deactivated probation rejected timeout giveup noresource
invariant id user header none critical history full name uri off emergency urgent normal non-urgent digest basic
username realm nonce response opaque stale algorithm qop cnonce nc auth auth-int md5 md5-sess sha-256 sha-256-sess
sha-512-256 aka akav1-md5 true false tag branch received rport ttl maddr transport lr ob phone ip method expires q
index cause reason refresher uas uac purpose reg-id to-tag from-tag early-only call-id counter limit screen party
privacy yes no calling called unknown unconditional user-busy no-answer unavailable time-of-day do-not-disturb
deflection follow-me out-of-service away isub npdi rn cpc oli phone-context context ordinary payphone trunk-context
tgrp otg dtg sip.instance sip.ice sip.rendering g.3gpp.icsi-ref g.3gpp.smsip g.3gpp.nw-init-ussi gr pub-gruu temp-gruu
audio video methods events automata isfocus mobility fixed mobile duplex class personal business alg ppt info
icid-value icid-generated-at orig-ioi term-ioi transit-ioi network-provided cgi-3gpp utran-cell-id-3gpp shaken es256
passport keep comp sigcomp trying ringing call is being forwarded queued progress ok accepted no notification multiple
choices moved permanently temporarily use proxy alternative bad request unauthorized payment forbidden not found
allowed acceptable authentication conditional gone entity too large long unsupported media type scheme extension
interval brief subscription does exist transaction leg loop detected many hops address incomplete ambiguous busy here
event internal server error implemented gateway version timed out everywhere decline declined anywhere unwanted
clearing cleared completed elsewhere networks network of out order normal_clearing original_cancel giving in ip4 ip6
rtp avp savp avpf savpf rtp/avp udptl t38 image sendrecv sendonly recvonly inactive rtpmap fmtp ptime maxptime
framerate rtcp rtcp-mux rtcp-fb crypto inline setup active passive actpass holdconn candidate host srflx prflx relay
typ raddr ice-ufrag ice-pwd fingerprint mid group bundle ssrc cname msid extmap end-of-candidates nack pli ccm fir as
tias ct rr rs aes_cm_128_hmac_sha1_80 aes_cm_128_hmac_sha1_32 f8_128_hmac_sha1_80 aead_aes_128_gcm aead_aes_256_gcm
pcmu pcma g722 g723 g726-16 g726-24 g726-32 g726-40 g728 g729 g729a gsm gsm-efr ilbc speex opus amr amr-wb evs silk
l16 cn telephone-event red vp8 vp9 h261 h263 h263-1998 h264 av1 mp4v-es annexb mode mode-set octet-align useinbandfec
minptime stereo cbr usedtx maxplaybackrate packetization-mode t38faxversion t38maxbitrate t38faxratemanagement
t38faxudpec t38udpredundancy t38udpfec transferredtcf localtcf
`)

// numbered are the parameters whose numbers stay.
var numbered = setOf(`expires q index cause ttl counter limit ordinal`)

// setOf returns the set of the words of list.
func setOf(list string) map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(list) {
		set[word] = true
	}
	return set
}

// A kept is the part of a text that stays as it is.
type kept struct {
	words   bool // the vocabulary
	numbers bool // numbers of ten digits at most
}

var (
	nothing         = kept{} // nothing: names, users, hosts, texts of people
	protocolWords   = kept{words: true}
	wordsAndNumbers = kept{words: true, numbers: true}
)

// headers are those of which something stays, by name and compact form.
var headers = func() map[string]kept {
	all := map[string]kept{}
	for name := range setOf(`cseq content-length l max-forwards expires min-expires session-expires x min-se rseq rack
retry-after timestamp mime-version`) {
		all[name] = wordsAndNumbers
	}
	for name := range setOf(`allow allow-events u supported k require proxy-require unsupported accept accept-encoding
accept-language content-type c content-disposition content-encoding e event o subscription-state privacy priority reason
authorization proxy-authorization www-authenticate proxy-authenticate authentication-info security-client
security-server security-verify request-disposition d`) {
		all[name] = protocolWords
	}
	return all
}()
