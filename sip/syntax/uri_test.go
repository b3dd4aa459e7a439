package syntax

import (
	"bytes"
	"fmt"
	"testing"
)

func TestURIsAreTakenApart(t *testing.T) {
	for address, want := range map[string]string{
		`sip:bob@example.com`:                      "sip bob example.com ",
		`sip:bob:secret@example.com:5060;lr`:       "sip bob:secret example.com 5060",
		`"Bob" <SIPS:bob;rn=1@[2001:db8::9]:5061>`: "SIPS bob;rn=1 [2001:db8::9] 5061",
		`"<sip:no@no>" <sip:h?Subject=x>;tag=1`:    "sip  h ",
		`"\"<" <tel:+13035550142;ext=1>`:           "tel  +13035550142 ",
		`Bob <sip:a,b@h>, <sip:c@h>`:               "sip a,b h ",
		`sip:h ;tag=1`:                             "sip  h ",
		`<sip:@h>`:                                 "sip  h ",
		`urn:service:sos`:                          "urn  service sos",
		`bob@h:5060`:                               " bob h 5060",
		`bob;x=a:b`:                                "  bob ",
		``:                                         "   ",
	} {
		u := ReadURI([]byte(address))
		if got := fmt.Sprintf("%s %s %s %s", u.Scheme, u.User, u.Host, u.Port); got != want {
			t.Errorf("%s: got = %q, want %q", address, got, want)
		}
	}
	for address, want := range map[string]bool{`<sips:h>`: true, `"Bob" sip:h`: false, `TEL:1`: true, `http://h`: false} {
		if u := ReadURI([]byte(address)); u.Is("sip", "sips", "tel") != want {
			t.Errorf("%s: is a URI that can be called = %t, want %t", address, !want, want)
		}
	}
}

func TestParametersOfUserAndURIAreFound(t *testing.T) {
	u := ReadURI([]byte(`<sip:+1303;RN=;rn=+1720@h;user=phone;cpc=ordinary?x=1>;cpc=no`))
	for name, want := range map[string]string{"rn": "+1720", "user": "phone", "cpc": "ordinary", "x": "", "tag": ""} {
		if got := u.Param(name); string(got) != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestHeadersOfAURIAreFound(t *testing.T) {
	u := ReadURI([]byte(`"?no=1" <sip:h?Replaces=a%40b%3Bto-tag=1&Privacy=history&x>;y=2`))
	got := ""
	for name, value := range u.Headers {
		got += fmt.Sprintf("%s=%s ", name, value)
	}
	if want := "Replaces=a%40b%3Bto-tag=1 Privacy=history x= "; got != want {
		t.Errorf("got = %q, want %q", got, want)
	}
}

// FuzzURI states the law that a URI is read in place: its parts stand in the text one behind the other, with their
// separators between them.
func FuzzURI(f *testing.F) {
	for _, address := range []string{`"Bob" <sip:b@h:5060;rn=1>;tag=1`, `sip:b@[::1]:5060?Replaces=1`, `tel:+1303`, `:@:`} {
		f.Add([]byte(address))
	}
	f.Fuzz(func(t *testing.T, address []byte) {
		u := ReadURI(address)
		var head []byte
		if u.Scheme != nil {
			head = append(bytes.Clone(u.Scheme), ':')
		}
		if u.User != nil {
			head = append(append(head, u.User...), '@')
		}
		head = append(head, u.Host...)
		if u.Port != nil {
			head = append(append(head, ':'), u.Port...)
		}
		if !bytes.HasPrefix(u.Text, head) || !bytes.Contains(address, u.Text) {
			t.Errorf("%q: %q does not begin with %q", address, u.Text, head)
		}
	})
}
