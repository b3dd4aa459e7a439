package sheet

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"sipsieve/store/policy"
)

// A ratingColumn is a column of the CSV that CGRateS imports: a constant, or a field, or the one that is read where the
// field is null.
type ratingColumn struct {
	name     string
	constant string
	field    string
	instead  string // "" for none
	exact    bool   // the purpose must keep the field in one of exactForms
	optional bool   // the column may be empty; the import stops at a row that lacks another
}

// ratingColumns are in the order of the fields template that CGRateS has by default for a reader of type *file_csv
// (configuration "ers", readers, "*default": fields 2 to 13 by index); the header gives them names for other templates.
// What stands behind Usage is for templates that name it.
var ratingColumns = []ratingColumn{
	{name: "CGRID", optional: true}, // CGRateS makes it of OriginID and OriginHost
	{name: "RunID", constant: "*default"},
	{name: "ToR", constant: "*voice"},
	{name: "OriginID", field: "id"},
	{name: "RequestType", constant: "*rated"},
	{name: "Direction", constant: "*out"},
	{name: "Tenant", constant: "cgrates.org"},
	{name: "Category", constant: "call"},
	{name: "Account", field: "account_id"},
	{name: "Subject", field: "account_id"},
	{name: "Destination", field: "dialed_number", instead: "called_number", exact: true},
	{name: "SetupTime", field: "setup_time", exact: true},
	{name: "AnswerTime", field: "answer_time", exact: true},
	{name: "Usage", field: "duration_ms", exact: true},
	{name: "OriginHost", constant: "sipsieve"}, // the same for all sensors: a call that two saw is one CDR
	{name: "Source", constant: "sipsieve"},
	{name: "Revision", field: "revision"},
	{name: "DisconnectCause", field: "q850_cause", optional: true},
	{name: "TrunkIn", field: "trunk_in", optional: true},
	{name: "TrunkOut", field: "trunk_out", optional: true},
}

// headerSign begins the header of a file for CGRateS: its option csvHeaderDefineChar.
const headerSign = ":"

// A ratingSheet is the CSV that CGRateS imports: one row for each billable call. Other records are counted.
type ratingSheet struct {
	csv   *csv.Writer
	other int            // records that are no billable calls
	lacks map[string]int // billable calls by the field that they lack
}

// newRatingSheet returns an error if a purpose does not keep what a rating needs.
func newRatingSheet(lines *bufio.Writer, purposes []*policy.Purpose) (*ratingSheet, error) {
	for _, p := range purposes {
		if err := keeps(p, "billable", exactForms); err != nil {
			return nil, fmt.Errorf("profile: cgrates: %w", err)
		}
		for _, c := range ratingColumns {
			if err := c.keptBy(p); err != nil {
				return nil, fmt.Errorf("profile: cgrates: %s: %w", c.name, err)
			}
		}
	}
	s := &ratingSheet{csv: csv.NewWriter(lines), lacks: map[string]int{}}
	var head []string
	for _, c := range ratingColumns {
		head = append(head, c.name)
	}
	head[0] = headerSign + head[0]
	return s, s.csv.Write(head)
}

// keptBy returns why p cannot fill the column.
func (c *ratingColumn) keptBy(p *policy.Purpose) error {
	if c.constant != "" || c.optional || slices.Contains(envelopeColumns, c.field) {
		return nil
	}
	var forms []string
	if c.exact {
		forms = exactForms
	}
	err := keeps(p, c.field, forms)
	if err != nil && c.instead != "" && keeps(p, c.instead, forms) == nil {
		return nil
	}
	return err
}

// exactForms are the transforms after which a value can be rated by.
var exactForms = []string{"keep", "e164", "truncate:second"}

// keeps returns nil if a purpose keeps a field in one of the forms, or in any without forms.
func keeps(p *policy.Purpose, field string, forms []string) error {
	switch form := p.Form(field); {
	case form == "":
		return fmt.Errorf("the purpose %s does not keep %s", p.Name, field)
	case forms != nil && !slices.Contains(forms, form):
		return fmt.Errorf("the purpose %s keeps %s as %s: want %s", p.Name, field, form, strings.Join(forms, ", "))
	}
	return nil
}

func (s *ratingSheet) write(body []byte) {
	row := ReadRow(body)
	if Cell(row["kind"]) != "call" || Cell(row["billable"]) != "true" {
		s.other++
		return
	}
	record := make([]string, len(ratingColumns))
	for i, c := range ratingColumns {
		record[i] = c.value(row)
		if record[i] == "" && !c.optional {
			s.lacks[c.field]++
			return
		}
	}
	_ = s.csv.Write(record)
}

// value returns the cell of the column.
func (c *ratingColumn) value(row map[string]json.RawMessage) string {
	if c.constant != "" {
		return c.constant
	}
	text := Cell(row[c.field])
	if text == "" && c.instead != "" {
		text = Cell(row[c.instead])
	}
	if text != "" && c.field == "duration_ms" {
		text += "ms" // without a unit CGRateS takes nanoseconds
	}
	return text
}

func (s *ratingSheet) pass() { s.csv.Flush() }

func (s *ratingSheet) flush() error {
	s.csv.Flush()
	return s.csv.Error()
}

func (s *ratingSheet) notes() (lines []string) {
	if s.other > 0 {
		lines = append(lines, fmt.Sprintf("%d records are not billable calls and were left out", s.other))
	}
	for _, c := range ratingColumns {
		if n := s.lacks[c.field]; n > 0 {
			lines = append(lines, fmt.Sprintf("%d billable calls without %s were left out: CGRateS stops at a row without it",
				n, strings.Join(slices.DeleteFunc([]string{c.field, c.instead}, func(s string) bool { return s == "" }), " and ")))
			delete(s.lacks, c.field)
		}
	}
	return lines
}
