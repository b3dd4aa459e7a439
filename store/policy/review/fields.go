package review

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"sipsieve/store/cpni"
)

// A fieldRow is one field as `fields --format json` writes it.
type fieldRow struct {
	Name            string   `json:"name"`
	Class           string   `json:"class"`
	Also            []string `json:"also,omitempty"`
	Type            string   `json:"type"`
	Value           string   `json:"value"`             // closed, shape or text
	Pattern         string   `json:"pattern,omitempty"` // of a shape
	Words           []string `json:"words,omitempty"`   // of a closed list that the register has
	List            string   `json:"list,omitempty"`    // where the words of another closed list stand
	Identifiability string   `json:"identifiability"`
	Never           bool     `json:"never"`
	Transforms      []string `json:"transforms"`
	Source          string   `json:"source"`
	Note            string   `json:"note,omitempty"`
}

// FieldTable writes the register as a table for people, a line a field.
func FieldTable(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FIELD\tCLASS\tTYPE\tVALUE\tIDENTIFIES\tTRANSFORMS\tSOURCE")
	for f := range cpni.Field(cpni.Fields()) {
		e := f.Entry()
		transforms := strings.Join(e.Transforms, " ")
		if e.Never {
			transforms = "never collected"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Name, e.Class, e.Type, e.Value, e.Identifiability, transforms,
			e.Source)
	}
	return w.Flush()
}

// FieldJSON writes the register as a JSON list, an object a field.
func FieldJSON(out io.Writer) error {
	var rows []fieldRow
	for f := range cpni.Field(cpni.Fields()) {
		e := f.Entry()
		rows = append(rows, fieldRow{e.Name, e.Class, e.Also, e.Type, e.Value, e.Pattern, e.Words, e.List,
			e.Identifiability, e.Never, e.Transforms, e.Source, e.Note})
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(rows)
}
