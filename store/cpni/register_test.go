package cpni

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"sipsieve/sip"
)

// unread are the fields that are not extracted, with the reason; no policy may depend on them.
var unread = map[string]string{
	"source_country":     "needs an offline table of address ranges",
	"source_asn":         "needs an offline table of address ranges",
	"associated_numbers": "no purpose needs it",
	"accept_language":    "no purpose needs it",
	"leg_link":           "never copied into a record",
	"call_attempts":      "only counted, in aggregates",
	"concurrent_calls":   "only counted, in aggregates",
}

func TestRegisterAndExtractorsHoldTogether(t *testing.T) {
	for f := range Field(Fields()) {
		e, reads := f.Entry(), extractors[f].read != nil
		_, written := unread[e.Name]
		switch {
		case e.Never && reads:
			t.Errorf("%s: the register says never, and it is extracted", e.Name)
		case !e.Never && !reads && !written:
			t.Errorf("%s: neither extracted nor excused", e.Name)
		case reads && written:
			t.Errorf("%s: extracted, and excused all the same", e.Name)
		}
	}
	for name := range unread {
		if _, ok := FieldOf(name); !ok {
			t.Errorf("%s: not in the register", name)
		}
	}
}

func TestOnlyNeededHeadersAreSelected(t *testing.T) {
	agent, _ := FieldOf("user_agent")
	if s := Selection(nil); s[sip.UserAgent] || s[sip.PAssertedIdentity] || !s[sip.Reason] {
		t.Error("without a field that needs it a header is selected, or one that tracking needs is not")
	}
	if !Selection([]Field{agent})[sip.UserAgent] {
		t.Error("a header that a field needs is not selected")
	}
}

func TestWordsAreThoseOfTheRegister(t *testing.T) {
	for name, words := range map[string][]string{
		"disposition": dispositionWords[1:], "end_cause": endCauseWords[1:], "end_time_source": endSourceWords[1:],
		"transfer": transferWords[:], "call_flags": flagWords[:], "registration_state": registrationWords[1:],
		"device_flags": deviceFlagWords[:],
	} {
		f, _ := FieldOf(name)
		_, source, _ := strings.Cut(f.Entry().Source, ": ")
		source, _, _ = strings.Cut(source, ";")
		if got := strings.Join(words, ", "); got != source {
			t.Errorf("%s: words = %s, want the register's %s", name, got, source)
		}
	}
	f, _ := FieldOf(correlation)
	for _, word := range correlationWords { // the register has them in another order
		if !strings.Contains(f.Entry().Source, " "+word) {
			t.Errorf("correlation: the register has no %s", word)
		}
	}
}

func TestHeadersOfLegsAreSelectedForThoseWhoAskForLegs(t *testing.T) {
	for name, want := range map[string]bool{"session_group": true, "correlation": true, "correlation_score": true,
		"transfer": true, "call_id": false} {
		f, _ := FieldOf(name)
		if got := NeedsLegs([]Field{f}); got != want {
			t.Errorf("%s: needs legs = %t, want %t", name, got, want)
		}
		if s := Selection([]Field{f}); s[sip.Link] != (want && name != "transfer") || s[sip.ReferredBy] != want {
			t.Errorf("%s: the configured headers are selected: %t, Referred-By: %t", name, s[sip.Link], s[sip.ReferredBy])
		}
	}
}

func TestBrokenRegistersAreRefused(t *testing.T) {
	entry := "[[field]]\nname = \"a\"\nvalue = \"text\"\nclass = \"x\"\ntransforms = [\"drop\"]\n"
	head := "[class.x]\nbasis = \"b\"\n[transform.drop]\nmeaning = \"m\"\n"
	if _, err := load(head + entry); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"unknown key": head + entry + "colour = 1\n", "twice": head + entry + entry, "unknown class": entry,
		"unknown transform": head + strings.Replace(entry, "drop", "melt", 1),
		"unknown field":     "[[kind]]\nname = \"device\"\nfields = [\"z\"]\n" + head + entry,
	} {
		if _, err := load(text); err == nil || !strings.Contains(err.Error(), strings.Fields(name)[0]) {
			t.Errorf("%s: err = %v", name, err)
		}
	}
}

func TestHiddenTextDoesNotShow(t *testing.T) {
	h := Hide("canary")
	nested := struct {
		H Hidden
		h Hidden
		p *Hidden
		v Value
	}{h, h, &h, Value{mark: Text, text: h, texts: []Hidden{h}}}
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q", "%p", "%t"} {
		fmt.Fprintf(&b, verb+verb+verb, h, nested, &nested)
	}
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "h", h, "nested", nested)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "h", h, "nested", nested)
	text, err := json.Marshal(struct{ H, I any }{h, nested.v})
	if err != nil {
		t.Fatal(err)
	}
	b.Write(text)
	if out := b.String(); strings.Contains(out, "canary") || strings.Contains(out, "63616e617279") {
		t.Errorf("the text shows: %s", out)
	}
	if Reveal(h) != "canary" || Reveal(Hidden{}) != "" {
		t.Error("the text is lost")
	}
}
