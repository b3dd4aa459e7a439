package cpni

import "sipsieve/sip/facts"

// A withholding is a set of parties whose number is to be withheld by their own wish.
type withholding uint8

const (
	readPrivacy withholding = 1 << iota // it has been looked for
	ofCaller
	ofDiverting
	ofEarlier
)

// withholds has, by Field, the party whose request withholds it.
var withholds = func() (by [maxFields]withholding) {
	for name, who := range map[string]withholding{
		"caller_number": ofCaller, "asserted_number": ofCaller, "claimed_numbers": ofCaller, "charge_number": ofCaller,
		"diversion_number": ofDiverting, "history_info_number": ofEarlier,
	} {
		f, ok := FieldOf(name)
		if !ok {
			panic("cpni: not in the register: " + name)
		}
		by[f] = who
	}
	return by
}()

// withholdingOf returns who of the parties asked that their number be withheld: the caller by Privacy id, user
// or header (RFC 3323 section 4.2, RFC 3325 section 9.3), by privacy=full or uri of Remote-Party-ID, or by the
// operator's word for a trunk; who diverted the call by Diversion's privacy (RFC 5806 section 4); earlier targets by
// Privacy history, header or session (RFC 7044 section 10.1).
func withholdingOf(in *inside) withholding {
	if in.privacy&readPrivacy == 0 {
		in.privacy = readPrivacy | askedFor(in)
	}
	return in.privacy
}

func askedFor(in *inside) (w withholding) {
	for v := range in.facts.All(facts.PrivacyValue) {
		switch string(v) {
		case "id", "user":
			w |= ofCaller
		case "header":
			w |= ofCaller | ofEarlier
		case "history", "session":
			w |= ofEarlier
		}
	}
	if in.first(facts.ClaimedPrivate) != nil || in.from != nil && in.from.Private {
		w |= ofCaller
	}
	if in.first(facts.DivertedPrivate) != nil {
		w |= ofDiverting
	}
	return w
}
