package locate

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// lower and figures, the dots of a dotted key, an underscore: what our own keys are made of.
var ourKey = regexp.MustCompile(`^[a-z0-9_-]+$`)

// FuzzEveryKeyIsFoundOnItsLine: the line that is found for a key of the decoder holds the last part of that
// key, unless the key stands inside a value, where the line of what is around it is found.
func FuzzEveryKeyIsFoundOnItsLine(f *testing.F) {
	for _, file := range []string{"../../../configs/policy.toml", "../../../configs/quickstart-policy.toml"} {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(src))
	}
	f.Add("a = 1\n[b]\nc = \"\"\"\nd = 2\n\"\"\"\ne = [\n  \"[x]\", # ]\n  'f = 3',\n]\n\"g\" = 1\n[[h]]\ni = 1\n[[h]]\ni = {j = 1}\n")
	f.Add("a.b = 1\n[ c . d ]\ne = '''\n[f]\n'''\ng = \"\\\"\" # \"\"\"\n[[h.i]]\n[h.i.j]\nk = 1\n")
	f.Fuzz(func(t *testing.T, src string) {
		var tree map[string]any
		md, err := toml.Decode(src, &tree)
		if err != nil {
			return
		}
		lines, at := strings.Split(src, "\n"), Keys([]byte(src))
		for _, key := range md.Keys() {
			if !plainKey(key) {
				continue
			}
			n := at.Line(strings.Join(key, "."))
			if n < 1 || n > len(lines) {
				t.Fatalf("%s: line %d of %d", key, n, len(lines))
			}
			if !holdsOneOf(lines[n-1], key) {
				t.Errorf("%s: line %d is %q", key, n, lines[n-1])
			}
		}
	})
}

func plainKey(key toml.Key) bool {
	for _, part := range key {
		if !ourKey.MatchString(part) {
			return false
		}
	}
	return true
}

func holdsOneOf(line string, key toml.Key) bool {
	for _, part := range key {
		if strings.Contains(line, part) {
			return true
		}
	}
	return false
}

func TestEachKeyHasItsLine(t *testing.T) {
	src := "version = 1\n\n[purpose.billing] # a comment\nwhy = \"\"\"\nretain = 'no key'\n[no.table]\n\"\"\"\nkinds = [\n" +
		"  \"call\", # ] no end\n]\n\"retain\" = \"1 day\"\n[purpose . billing.fields]\ncall_id = { form = \"keep\",\n  because = \"x\" }\n" +
		"sip_code.form = \"keep\"\n[[source]]\npath = \"a\"\n[[source]]\npath = \"[b]\"\nlast = 1\n"
	at := Keys([]byte(src))
	for key, want := range map[string]int{
		"version": 1, "purpose.billing": 3, "purpose.billing.why": 4, "purpose.billing.kinds": 8,
		"purpose.billing.retain": 11, "purpose.billing.fields": 12, "purpose.billing.fields.call_id": 13,
		"purpose.billing.fields.call_id.form": 13, "purpose.billing.fields.sip_code.form": 15,
		"source.0.path": 17, "source.1": 18, "source.1.path": 19, "source.1.last": 20,
		"purpose.billing.basis": 3, "nowhere": 1,
	} {
		if got := at.Line(key); got != want {
			t.Errorf("%s: line = %d, want %d", key, got, want)
		}
	}
}
