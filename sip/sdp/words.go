package sdp

import (
	"sipsieve/sip/syntax"
)

// Closed lists of what a session description can name; the last word of each stands for everything else.
var (
	mediaNames   = [...]string{"audio", "video", "text", "image", "application", "message", "other"}
	profileNames = [...]string{"RTP/AVP", "RTP/SAVP", "RTP/AVPF", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF",
		"TCP/RTP/AVP", "TCP/TLS/RTP/SAVPF", "udptl", "UDP/TLS/UDPTL", "TCP/MSRP", "TCP/TLS/MSRP", "UDP/DTLS/SCTP",
		"TCP/DTLS/SCTP", "DTLS/SCTP", "UDP/BFCP", "TCP/BFCP", "TCP/TLS/BFCP", "UDP", "TCP", "TCP/TLS", "other"}
	codecNames = [...]string{"PCMU", "PCMA", "G722", "G729", "opus", "telephone-event", "CN", "GSM", "GSM-EFR",
		"GSM-HR-08", "G723", "G728", "G726-16", "G726-24", "G726-32", "G726-40", "G7221", "G719", "G7291",
		"AAL2-G726-32", "G729D", "G729E",
		"AMR", "AMR-WB", "AMR-WB+", "EVS", "iLBC", "iSAC", "SILK", "speex", "BV16", "BV32", "EVRC", "EVRC0", "EVRCB",
		"EVRCWB", "QCELP", "SMV", "L8", "L16", "L24", "DVI4", "LPC", "VDVI", "MPA", "MP4A-LATM", "mpeg4-generic", "red",
		"CLEARMODE", "x-siren", "CT-CLEAR", "PCMA-WB", "PCMU-WB", "t140", "t38", "tone", "VP8", "VP9", "AV1", "H261", "H263",
		"H263-1998", "H263-2000", "H264", "H264-SVC", "H265", "MP4V-ES", "JPEG", "CelB", "nv", "MPV", "MP2T", "rtx", "ulpfec",
		"flexfec-03", "parityfec", "x-h264uc", "x-rtvc1", "x-ulpfecuc", "x-msrta", "other"}
)

// staticCodecs are the payload types that need no a=rtpmap, RFC 3551 tables 4 and 5.
var staticCodecs = [96]string{0: "PCMU", 3: "GSM", 4: "G723", 5: "DVI4", 6: "DVI4", 7: "LPC", 8: "PCMA", 9: "G722",
	10: "L16", 11: "L16", 12: "QCELP", 13: "CN", 14: "MPA", 15: "G728", 16: "DVI4", 17: "DVI4", 18: "G729", 25: "CelB",
	26: "JPEG", 28: "nv", 31: "H261", 32: "MPV", 33: "MP2T", 34: "H263"}

// word returns the word of list that name spells in whatever case, the last one for a name that is not in it.
func word(list []string, name []byte) string { return list[index(list, name)] }

func index(list []string, name []byte) int {
	for i, w := range list {
		if syntax.EqualFold(w, name) {
			return i
		}
	}
	return len(list) - 1
}

// profileCrypto returns how keys are agreed by the profile alone.
func profileCrypto(profile string) Crypto {
	switch profile {
	case "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF", "UDP/TLS/UDPTL", "UDP/DTLS/SCTP",
		"TCP/DTLS/SCTP", "DTLS/SCTP":
		return DTLS
	case "RTP/SAVP", "RTP/SAVPF":
		return SDES
	}
	return NoCrypto
}
