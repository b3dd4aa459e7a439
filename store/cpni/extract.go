package cpni

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/phone"
)

// An extractor reads one Field of a Record, and needs these headers to have been selected.
type extractor struct {
	read  func(*inside) Value
	needs []sip.Header
}

// extractors has one extractor for each Field that can be known, none for the others.
var extractors = func() []extractor {
	list := make([]extractor, Fields())
	for _, room := range []map[string]extractor{partyFields, outcomeFields, deviceFields, networkFields, mediaFields,
		trunkFields} {
		for name, x := range room {
			f, ok := FieldOf(name)
			if !ok {
				panic("cpni: an extractor for a field that the register does not have: " + name)
			}
			list[f] = x
		}
	}
	return list
}()

// Selection returns the headers that the fields need, and those without which no call can be followed.
func Selection(fields []Field) (s sip.Selection) {
	for _, h := range []sip.Header{sip.Contact, sip.Expires, sip.Reason, sip.SessionExpires, sip.ReferTo, sip.Replaces,
		sip.Privacy, sip.Priority, sip.Media, sip.WWWAuthenticate, sip.ProxyAuthenticate, sip.Authorization,
		sip.ProxyAuthorization} {
		s[h] = true
	}
	for _, f := range fields {
		for _, h := range extractors[f].needs {
			s[h] = true
		}
	}
	return s
}

// How facts become values.

func moment(t time.Time) Value {
	if t.IsZero() {
		return Value{}
	}
	return number(t.UnixMicro())
}

func between(from, to time.Time) Value {
	if from.IsZero() || to.IsZero() {
		return Value{}
	}
	return number(max(0, to.Sub(from).Milliseconds()))
}

// text reads the first value of a fact.
func text(f facts.Fact, needs ...sip.Header) extractor {
	return extractor{func(in *inside) Value { return hide(in.first(f)) }, needs}
}

// texts reads all values of a fact as a list.
func texts(f facts.Fact, needs ...sip.Header) extractor {
	return extractor{func(in *inside) (v Value) {
		for b := range in.facts.All(f) {
			v.mark, v.texts = Text, append(v.texts, Hide(string(b)))
		}
		return v
	}, needs}
}

// present reads whether a fact was seen.
func present(f facts.Fact, needs ...sip.Header) extractor {
	return extractor{func(in *inside) Value {
		if in.first(f) == nil {
			return Value{}
		}
		return hide([]byte("present"))
	}, needs}
}

// integer reads a fact of decimal digits, unknown if it is more than most.
func integer(f facts.Fact, most uint64, needs ...sip.Header) extractor {
	return extractor{func(in *inside) Value {
		n, err := strconv.ParseUint(string(in.first(f)), 10, 63)
		if err != nil || n > most {
			return Value{}
		}
		return number(int64(n))
	}, needs}
}

// tel reads a telephone number: E.164 if it can be derived, the literals anonymous and non_e164 otherwise. Of
// several values, such as a sip and a tel URI of one caller, the first that is a number counts.
func tel(f facts.Fact, needs ...sip.Header) extractor {
	return extractor{func(in *inside) Value {
		for user := range in.facts.All(f) {
			if n, ok := in.e164(user); ok {
				return shaped(n)
			}
		}
		return telOf(in, in.first(f))
	}, needs}
}

func telOf(in *inside, user []byte) Value {
	if len(user) == 0 {
		return Value{}
	}
	n, ok := in.e164(user)
	if !ok && in.region == "" && phone.NeedsRegion(string(user)) {
		in.reader.unplaced.Add(1)
	}
	return shaped(n)
}

// e164Of returns the first number in a fact, "" if none can be derived.
func e164Of(in *inside, f facts.Fact) string {
	for user := range in.facts.All(f) {
		if n, ok := in.e164(user); ok {
			return n
		}
	}
	return ""
}

// among reads a token of a closed set; another token is other.
func among(f facts.Fact, set []string, needs ...sip.Header) extractor {
	return extractor{func(in *inside) Value {
		b := in.first(f)
		if b == nil {
			return Value{}
		}
		return word(closed(b, set))
	}, needs}
}

func closed(token []byte, set []string) string {
	if i := slices.IndexFunc(set, func(w string) bool { return bytes.EqualFold([]byte(w), token) }); i >= 0 {
		return set[i]
	}
	return "other"
}

// allAmong reads a list of tokens, those of the set only and in the set's order, so that it is no fingerprint.
func allAmong(f facts.Fact, set []string, needs ...sip.Header) extractor {
	return extractor{func(in *inside) Value {
		var bits []bool
		other := false
		for b := range in.facts.All(f) {
			for token := range bytes.SplitSeq(b, []byte{','}) {
				w := closed(bytes.TrimSpace(token), set)
				if bits == nil {
					bits = make([]bool, len(set))
				}
				if i := slices.Index(set, w); i >= 0 {
					bits[i] = true
				} else {
					other = true
				}
			}
		}
		if bits == nil {
			return Value{}
		}
		v := list(nil)
		for i, w := range set {
			if bits[i] {
				v.words = append(v.words, w)
			}
		}
		if other {
			v.words = append(v.words, "other")
		}
		return v
	}, needs}
}

// ofCall, ofRegistration and ofDevice read what only one kind has.
func ofCall(read func(*event.Call) Value, needs ...sip.Header) extractor {
	return extractor{func(in *inside) Value {
		if in.event.Call == nil {
			return Value{}
		}
		return read(in.event.Call)
	}, needs}
}

func ofRegistration(read func(*event.Registration) Value, needs ...sip.Header) extractor {
	return extractor{func(in *inside) Value {
		if in.event.Registration == nil {
			return Value{}
		}
		return read(in.event.Registration)
	}, needs}
}

func ofDevice(read func(*event.Device) Value, needs ...sip.Header) extractor {
	return extractor{func(in *inside) Value {
		if in.event.Device == nil {
			return Value{}
		}
		return read(in.event.Device)
	}, needs}
}
