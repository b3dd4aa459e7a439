package cpni

import (
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/useragent"
)

func TestEveryWordThatAnExtractorKnowsStandsInTheRegister(t *testing.T) {
	for name, words := range map[string][]string{"diversion_reason": diversionReasons, "privacy_flags": facts.PrivacyWords,
		"calling_party_category": callerCategories, "originating_line_info": lineCodes, "resource_priority": priorityWords,
		"stir_attestation": attestWords, "stir_verification": verstatWords, "media_types": mediaWords,
		"media_codecs": codecWords, "media_profile": profileWords, "media_encrypted": cryptoWords, "option_tags": optionWords,
		"allow_methods": methodWords, "event_package": eventWords, "direction": directionWords[1:],
		"disconnect_by": partyWords[:], "correlation": correlationWords[:], "disposition": dispositionWords[1:],
		"registration_state": registrationWords[1:]} {
		f, _ := FieldOf(name)
		e := f.Entry()
		want := slices.Clone(words)
		if slices.Contains(e.Words, "other") {
			want = append(want, "other")
		}
		slices.Sort(want)
		have := slices.Sorted(slices.Values(e.Words))
		if !slices.Equal(have, want) {
			t.Errorf("%s: the register has %v, the extractor %v", name, have, want)
		}
	}
}

func TestEveryFieldSaysWhatItsValuesAre(t *testing.T) {
	for f := range Field(Fields()) {
		e, m := f.Entry(), measures[f]
		if m.mark == Unmarked || m.mark == Shaped && !m.number && m.shape == nil ||
			m.mark == Closed && !m.number && m.words == nil && m.own == nil {
			t.Errorf("%s: %s %q: no row in shapes (measure.go), no words", e.Name, e.Value, e.Pattern)
		}
		if _, err := regexp.Compile(e.Pattern); err != nil {
			t.Errorf("%s: %v", e.Name, err)
		}
	}
}

func TestRegistersThatKeepTextAreRefused(t *testing.T) {
	head := "[class.x]\nbasis = \"b\"\n[transform.drop]\nmeaning = \"m\"\n[transform.keep]\nmeaning = \"m\"\n" +
		"[[field]]\nname = \"a\"\nclass = \"x\"\n"
	for lines, want := range map[string]string{
		"value = \"text\"\ntransforms = [\"drop\"]":                                      "",
		"value = \"text\"\ntransforms = [\"drop\", \"keep\"]":                            "a: keep of text",
		"transforms = [\"drop\"]":                                                        "a: value: want",
		"value = \"raw\"\ntransforms = [\"drop\"]":                                       "a: value: want",
		"value = \"shape\"\ntransforms = [\"keep\"]":                                     "a: pattern: want",
		"value = \"text\"\npattern = \"^a$\"\ntransforms = []":                           "a: pattern: want",
		"value = \"closed\"\ntransforms = [\"keep\"]":                                    "a: words, list: want",
		"value = \"closed\"\nwords = [\"a\"]\nlist = \"b\"\ntransforms = [\"keep\"]":     "a: words, list: want",
		"value = \"shape\"\npattern = \"^a$\"\nwords = [\"a\"]\ntransforms = [\"keep\"]": "a: words, list: want",
	} {
		_, err := load(head + lines + "\n")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: error = %v, want %q", lines, err, want)
		}
	}
}

// recordsOf returns a Record of each kind that has every fact, with the text of each.
func recordsOf(x *Reader, text func(facts.Fact) string, then func(*Record)) {
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	var texts facts.Facts
	for f := range facts.Count {
		texts.Append(f, []byte(text(f)))
		texts.Append(f, []byte(text(f)))
	}
	flow := capture.Flow{Src: netip.MustParseAddrPort("192.0.2.77:5060"), Dst: netip.MustParseAddrPort("[2001:db8::9]:5060"),
		Transport: capture.UDP}
	point := text(facts.UserAgentText)
	call := &event.Call{FirstSeen: now, Setup: now, Ring: now, Answer: now, End: now, Disposition: event.Answered, Code: 200,
		Cause: 16, EndCause: event.EndNormal, EndSource: event.Observed, Status: event.Complete, Flow: flow, VLAN: 7, Vias: 2,
		SessionExpires: 4155550177, Link: [6]byte{0, 0x15, 0x65, 1, 2, 3}, Facts: texts, Point: point, Origin: capture.Interface,
		Flags: event.SecondFork | event.NoAckFlag}
	reg := &event.Registration{At: now, State: event.Moved, Code: 200, Expires: 4155550177, Status: event.Complete, Facts: texts,
		Flow: flow, Point: point, Origin: capture.File}
	dev := &event.Device{At: now, FirstSeen: now, LastSeen: now, Flags: event.ScannerFlag, Facts: texts, Flow: flow,
		Point: point, Origin: capture.HEP}
	for _, ev := range []*event.Event{{Time: now, Kind: event.CallKind, Stage: event.Stop, Call: call},
		{Time: now, Kind: event.RegistrationKind, Registration: reg}, {Time: now, Kind: event.DeviceKind, Device: dev}} {
		r, _ := x.Record(ev)
		then(&r)
	}
}

// strings returns what v holds that is no number.
func (v *Value) strings() (all []string) {
	all = append(all, v.words...)
	if v.word != "" {
		all = append(all, v.word)
	}
	for _, h := range append(v.texts, v.text) {
		if h.text != nil {
			all = append(all, *h.text)
		}
	}
	return all
}

// FuzzEveryValueIsWhatItsFieldSays: whatever the message, every value has its Field's mark; a shaped one matches the
// register's pattern, a closed one is a word of its list. No extractor hands out another, so that none is dropped.
func FuzzEveryValueIsWhatItsFieldSays(f *testing.F) {
	for i, text := range []string{"Yealink SIP-AnyName9 415.555.0177", "4155550177", "+13035550142", "=HYPERLINK(1)", "upstream-a",
		"eth0", "A", "01234567-89ab-cdef-0123-456789abcdef", "0123456789abcdef0123456789abcdef", "1,2;a=b", "2001:db8::1%eth0",
		"audio", "esnet.1", "\x1b[31m\u202e", "911", "+911", "snom370/8.7.5.35", "9223372036854775807", "-1", "::ffff:1.2.3.4"} {
		f.Add(uint64(i), text)
	}
	f.Fuzz(func(t *testing.T, seed uint64, text string) {
		rnd := rand.New(rand.NewPCG(seed, 8))
		x := NewReader([]string{"US", "", "GB"}[seed%3])
		x.Map(aMap(t))
		x.Points([]string{"eth0"})
		x.Emergency([]string{"110"})
		recordsOf(x, func(facts.Fact) string {
			if rnd.IntN(4) == 0 {
				return text[:rnd.IntN(len(text)+1)]
			}
			return text
		}, func(r *Record) {
			for field := range Field(Fields()) {
				v := r.Get(field)
				checkValue(t, field.Entry(), v)
			}
		})
		if n := x.Misfits(); n > 0 {
			t.Errorf("%d values were dropped", n)
		}
	})
}

// ownWords are the words of lists that the product or the operator has.
var ownWords = sync.OnceValue(func() []string {
	vendors, models, kinds := useragent.Words()
	return slices.Concat(vendors, models, kinds, []string{"file", "eth0", "upstream-a", "upstream-b", "acme-pbx", "homes",
		"globex", "acme"})
})

// compiled has the patterns of the register by their text: to compile one takes longer than to match it.
var compiled sync.Map

func shapeOf(e *Entry) *regexp.Regexp {
	if shape, ok := compiled.Load(e.Pattern); ok {
		return shape.(*regexp.Regexp)
	}
	shape := regexp.MustCompile(e.Pattern)
	compiled.Store(e.Pattern, shape)
	return shape
}

func checkValue(t *testing.T, e *Entry, v *Value) {
	t.Helper()
	if !v.Known() || e.Mark() == Text && v.mark == Text {
		return
	}
	if v.mark != e.Mark() {
		t.Errorf("%s: a value is %s, the register says %s", e.Name, v.mark, e.Value)
	}
	own := ownWords()
	for _, s := range v.strings() {
		if e.Mark() == Shaped && !shapeOf(e).MatchString(s) ||
			e.Mark() == Closed && !slices.Contains(e.Words, s) && (e.List == "" || !slices.Contains(own, s)) {
			t.Errorf("%s = %q", e.Name, s)
		}
	}
}

// FuzzShapes: what finds a shape without an allocation finds nothing that the register's pattern does not, and all that
// it does; of addresses it finds only those that are.
func FuzzShapes(f *testing.F) {
	for _, s := range []string{"+13035550142", "anonymous", "+911", "1.2.3.4", "2001:db8::1", "::", "::ffff:1.2.3.4", "999.1.1.1", "GB",
		"001", "0288", "+10288", "aabbccddeeff", "5.9.0.9373", strings.Repeat("a", 26), "01234567-89ab-cdef-0123-456789abcdef"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for pattern, found := range shapes {
			want := regexp.MustCompile(pattern).MatchString(s)
			if got := found(s); got != want && (got || !strings.Contains(pattern, "a-f]{0,4}")) {
				t.Errorf("%s: %q: got = %t, want %t", pattern, s, got, want)
			}
		}
	})
}

// An extractor that hands out text of a message as something else is found out, whichever field it is for.
func TestTextThatIsPassedOffAsSomethingElseIsDroppedAndCounted(t *testing.T) {
	const canary = "canary-7f3a +13035550142"
	for field := range Field(Fields()) {
		e, honest := field.Entry(), extractors[field]
		if honest.read == nil {
			continue
		}
		for name, v := range map[string]Value{"word": word(canary), "list": list([]string{canary}), "shape": shaped(canary),
			"country": country(canary), "name": ours(canary), "text": hide([]byte(canary)), "number": number(-1),
			"long number": number(1 << 62), "texts": {mark: Closed, texts: []Hidden{Hide(canary)}}} {
			x := NewReader("US")
			x.Map(aMap(t))
			extractors[field] = extractor{read: func(*inside) Value { return v }}
			recordsOf(x, func(facts.Fact) string { return "x" }, func(r *Record) {
				before := x.Misfits()
				got := r.Get(field)
				if got.Keepable() {
					t.Errorf("%s: %s is handed out: %v", e.Name, name, got.strings())
				}
				if field.In(r.Kind()) && !got.Known() && x.Misfits() != before+1 {
					t.Errorf("%s: %s is dropped and not counted", e.Name, name)
				}
			})
		}
		extractors[field] = honest
	}
}

// BenchmarkFits measures what it costs to hold every value of a call to its Field.
func BenchmarkFits(b *testing.B) {
	x := NewReader("US")
	texts := map[facts.Fact]string{facts.CallerNumber: "+13035550142", facts.CalledNumber: "+13035550143",
		facts.DialedNumber: "+13035550143", facts.UserAgentText: "Yealink SIP-T46S 66.85.0.5", facts.MediaCodec: "PCMU"}
	recordsOf(x, func(f facts.Fact) string { return texts[f] }, func(r *Record) {
		if r.Kind() != CallKind {
			return
		}
		var values []Value
		for f := range Field(Fields()) {
			values = append(values, *r.Get(f))
		}
		b.ReportAllocs()
		for b.Loop() {
			for f := range values {
				if !measures[f].fits(r.in, &values[f]) {
					b.Fatal(Field(f))
				}
			}
		}
	})
}
