package review

import (
	"slices"
	"strings"

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
	t.rows = append(t.rows, envelopeRows(p.Purposes())...)
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
	return page{title: title(p), blocks: []block{{heading: "Fields by purposes", table: t, fields: true}}}
}

// dropped is the mark of a field that a purpose does not name.
const dropped = "–"

// mark returns what leaves of a field, in words.
func mark(l policy.Line) string {
	word := groupWords[groupOf(l)]
	if form := forms(l); form != "keep" && form != word && form != "presence" {
		word += ": " + form
	}
	return word + unread(l)
}

// envelopeRows returns a row of all keys that every record has, and one for each key of parts of calls.
func envelopeRows(purposes []*policy.Purpose) [][]string {
	always := []string{""}
	for range purposes {
		always = append(always, "always")
	}
	rows, names := [][]string{always}, []string(nil)
	for _, k := range envelope {
		if halfMeaning[k.name] == "" {
			names = append(names, k.name)
			continue
		}
		row := []string{k.name}
		for _, u := range purposes {
			cell := dropped
			if slices.Contains(u.HalfKeys(), k.name) {
				cell = "in parts of calls"
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	always[0] = strings.Join(names, ", ")
	return rows
}
