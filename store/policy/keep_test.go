package policy

import (
	"fmt"
	"strings"
	"testing"

	"sipsieve/store/cpni"
)

// Text of a message is kept by no policy, whatever the reason: the error has the line, and what to use.
func TestKeepOfTextDoesNotLoad(t *testing.T) {
	count := 0
	for f := range cpni.Field(cpni.Fields()) {
		e := f.Entry()
		if e.Mark() != cpni.Text || e.Never {
			continue
		}
		count++
		for _, form := range []string{"keep", "e164"} {
			src := written("billing", "sip_code = \"keep\"\n"+e.Name+" = { form = \""+form+"\", because = \"we want it\" }\n")
			_, err := Parse("p.toml", []byte(src))
			at := fmt.Sprintf("p.toml:%d: purpose.billing.fields.%s: %s is not allowed: the value is text of a message", lineOf(src, e.Name),
				e.Name, form)
			if err == nil || !strings.Contains(err.Error(), at) || !strings.Contains(err.Error(), "; use ") {
				t.Errorf("%s: error = %v, want %s", e.Name, err, at)
			}
		}
	}
	if count < 15 {
		t.Errorf("fields of text = %d: the test shows nothing", count)
	}
}
