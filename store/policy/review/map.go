package review

import (
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

// fieldMap returns the table of fields by enabled purposes, each cell in words; what every record has stands first.
func fieldMap(p *policy.Policy) page {
	t := &table{caption: "What leaves of each field. A field that is not here is dropped for every purpose.",
		head: []string{"Field"}}
	by := map[string]map[cpni.Field]string{}
	for _, u := range p.Purposes() {
		t.head = append(t.head, u.Name)
		by[u.Name] = map[cpni.Field]string{}
		for _, l := range u.Lines() {
			by[u.Name][l.Field] = mark(l)
		}
	}
	for _, k := range envelope {
		t.rows = append(t.rows, envelopeRow(k.name, p.Purposes()))
	}
	for _, f := range p.Fields() {
		row := []string{f.String()}
		for _, u := range p.Purposes() {
			cell := by[u.Name][f]
			if cell == "" {
				cell = dropped
			}
			row = append(row, cell)
		}
		t.rows = append(t.rows, row)
	}
	return page{title: title(p), blocks: []block{{heading: "Fields by purposes", table: t}}}
}

// dropped is the mark of a field that a purpose does not name.
const dropped = "–"

// mark returns what leaves of a field, in words.
func mark(l policy.Line) string {
	word := groupWords[groupOf(l)]
	if form := forms(l); form != "keep" && form != word && form != "presence" {
		word += ": " + form
	}
	return word
}

// envelopeRow returns the row of a key that no policy names.
func envelopeRow(name string, purposes []*policy.Purpose) []string {
	row := []string{name}
	for _, u := range purposes {
		cell := "always"
		if halfMeaning[name] != "" {
			cell = dropped
			for _, key := range u.HalfKeys() {
				if key == name {
					cell = "in parts of calls"
				}
			}
		}
		row = append(row, cell)
	}
	return row
}
