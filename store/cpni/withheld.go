package cpni

import (
	"bytes"

	"sipsieve/sip/facts"
	"sipsieve/sip/phone"
)

// A withholding is a set of parties whose number is to be withheld by their own wish.
type withholding uint8

const (
	readPrivacy withholding = 1 << iota // it has been looked for
	ofCaller
	ofDiverting
	ofEarlier
	ofReferrer

	ofAll = ofCaller | ofDiverting | ofEarlier | ofReferrer
)

// parties are the words of a register's party: whose number a field is.
var parties = map[string]withholding{"caller": ofCaller, "diverting": ofDiverting, "earlier": ofEarlier,
	"referrer": ofReferrer}

// withholds has, by Field, the party whose request withholds it.
var withholds = func() (list [maxFields]withholding) {
	for i := range theRegister.Field {
		list[i] = parties[theRegister.Field[i].Party]
	}
	return list
}()

// withholdingOf returns who of the parties asked that their number be withheld: the caller by Privacy id, user or header
// (RFC 3323 section 4.2, RFC 3325 section 9.3), by an anonymous From without Privacy (RFC 3323 section 4.1.1.3), by
// privacy of Remote-Party-ID, or by the operator's word for a trunk; who diverted the call by Diversion's privacy
// (RFC 5806 section 4); earlier targets by Privacy history, header or session (RFC 7044 section 10.1); who transferred
// the call by Privacy user or header (RFC 5379 section 5.1). A word that is not known withholds the numbers of all.
func withholdingOf(in *inside) withholding {
	if in.privacy&readPrivacy == 0 {
		in.privacy = readPrivacy | askedFor(in)
	}
	return in.privacy
}

func askedFor(in *inside) (w withholding) {
	silent := true // there is no Privacy
	for v := range in.facts.All(facts.PrivacyValue) {
		silent = false
		switch string(v) {
		case "none", "critical":
		case "id":
			w |= ofCaller
		case "user":
			w |= ofCaller | ofReferrer
		case "header":
			w |= ofCaller | ofEarlier | ofReferrer
		case "history", "session":
			w |= ofEarlier
		default:
			w |= ofAll
		}
	}
	if in.first(facts.ClaimedPrivate) != nil || in.from != nil && in.from.Private || silent && anonymous(in) {
		w |= ofCaller
	}
	if in.first(facts.DivertedPrivate) != nil {
		w |= ofDiverting
	}
	return w
}

// anonymous reports whether From names nobody.
func anonymous(in *inside) bool {
	user := in.first(facts.CallerNumber)
	if len(user) > 0 {
		if text, _ := in.e164(user); text == phone.Anonymous {
			return true
		}
	}
	return bytes.EqualFold(in.first(facts.CallerHost), []byte("anonymous.invalid"))
}
