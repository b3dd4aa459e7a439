package policy

import (
	"slices"
	"testing"

	"sipsieve/store/cpni"
)

// What reviews a policy reads exactly the columns that its excerpts have.
func TestLinesAreTheColumnsOfExcerpts(t *testing.T) {
	u := boundPurpose(t, written("fraud", "called_number = [\"area\", \"pseudonym\"]\ncaller_number = \"drop\"\n"+
		"registered_number = \"pseudonym\"\ncaller_domain = { form = \"known\", list = \"words\" }\n"+
		"setup_time = { form = \"keep\", because = \"t\" }\n"))
	var keys []string
	for _, l := range u.Lines() {
		for _, f := range l.Forms {
			keys = append(keys, f.Key)
		}
		switch name := l.Field.String(); {
		case name == "registered_number" && !slices.Equal(l.Kinds, []cpni.Kind{cpni.RegistrationKind}),
			name == "called_number" && (!slices.Equal(l.Kinds, []cpni.Kind{cpni.CallKind}) || l.Forms[0].More(l.Forms[1]) ||
				l.Forms[1].Residual != "indirect"),
			name == "caller_domain" && !slices.Equal(l.List, []string{"PCMU", "upstream-a"}),
			name == "setup_time" && (l.Because != "t" || l.Forms[0].Transform != "keep"):
			t.Errorf("%s: %+v", name, l)
		}
	}
	if !slices.Equal(keys, u.Columns()) {
		t.Errorf("lines = %v, columns = %v", keys, u.Columns())
	}
}
