package cpni

import (
	"sipsieve/sip"
	"sipsieve/sip/facts"
)

// Closed sets of the IANA registers of SDP media types, profiles and audio formats, and of RFC 4568, 5763, 6189.
var (
	mediaWords   = []string{"audio", "video", "text", "application", "message", "image"}
	profileWords = []string{"RTP/AVP", "RTP/SAVP", "RTP/AVPF", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF",
		"udptl", "TCP/MSRP", "TCP/TLS/MSRP"}
	codecWords = []string{"PCMU", "PCMA", "G722", "G723", "G728", "G729", "GSM", "iLBC", "speex", "opus", "AMR", "AMR-WB",
		"EVS", "L16", "SILK", "telephone-event", "CN", "red", "T38", "H261", "H263", "H264", "H265", "VP8", "VP9", "AV1"}
	cryptoWords = []string{"sdes", "dtls", "zrtp", "none"}
)

// mediaFields are the media that both sides negotiated, never their content.
var mediaFields = map[string]extractor{
	"media_types":        allAmong(facts.MediaType, mediaWords, sip.Media),
	"media_codecs":       allAmong(facts.MediaCodec, codecWords, sip.Media),
	"media_address":      {mediaAddress, []sip.Header{sip.Media}},
	"media_profile":      among(facts.MediaProfile, profileWords, sip.Media),
	"media_encrypted":    among(facts.MediaCrypto, cryptoWords, sip.Media),
	"ice_candidates":     present(facts.CandidateSeen, sip.Media),
	"sdp_origin_session": text(facts.OriginSession, sip.Media),
}

func mediaAddress(in *inside) Value { return addressText(in.first(facts.MediaAddress)) }
