package policy

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"sipsieve/store/cpni"
)

// A property is one key in a JSON Schema (draft 2020-12).
type property struct {
	Type        []string  `json:"type"`
	Enum        []string  `json:"enum,omitempty"`
	Const       string    `json:"const,omitempty"`
	Format      string    `json:"format,omitempty"`
	Pattern     string    `json:"pattern,omitempty"`
	Minimum     *int      `json:"minimum,omitempty"`
	Maximum     *int      `json:"maximum,omitempty"`
	Items       *property `json:"items,omitempty"`
	Description string    `json:"description,omitempty"`
}

// Schema returns the JSON Schema of the excerpts of a kind (call, registration, device or loss), nil for another
// kind. It has every key that some policy could keep; which of them a purpose has is the policy's word. A reader
// ignores keys that it does not know, so the schema forbids none.
func Schema(kind string) []byte {
	name, ok := schemas[kind]
	if !ok {
		return nil
	}
	w := new(schemaWriter)
	w.envelope(kind, name)
	required := slices.Clone(w.keys)
	if kind == "call" {
		w.half()
	}
	if kind == "loss" {
		w.loss()
		required = w.keys
	}
	for f := range cpni.Field(cpni.Fields()) {
		if f.In(kind) {
			w.field(f.Entry())
		}
	}
	head, _ := json.Marshal(map[string]any{"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": name,
		"type": "object", "required": required})
	var out bytes.Buffer
	_ = json.Indent(&out, append(append(append(head[:len(head)-1], `,"properties":{`...), w.body...), "}}"...), "", "  ")
	return append(out.Bytes(), '\n')
}

// A schemaWriter writes properties in the order of the keys of an Excerpt.
type schemaWriter struct {
	keys []string
	body []byte
}

func (w *schemaWriter) add(key string, p property) {
	if len(w.keys) > 0 {
		w.body = append(w.body, ',')
	}
	text, _ := json.Marshal(p)
	w.keys = append(w.keys, key)
	w.body = append(append(appendText(w.body, key), ':'), text...)
}

func (w *schemaWriter) envelope(kind, schema string) {
	one, none, hundred := 1, 0, 100
	str := []string{"string"}
	w.add("schema", property{Type: str, Const: schema})
	w.add("kind", property{Type: str, Const: kind})
	w.add("stage", property{Type: str, Enum: stageNames})
	w.add("id", property{Type: str, Pattern: "^[a-z2-7]{26}$",
		Description: "the same for every sensor that saw it, another in every purpose"})
	if kind == "call" {
		w.add("dialog", property{Type: []string{"string", "null"}, Pattern: "^[a-z2-7]{26}$",
			Description: "of an answered call: the same for every sensor that saw a part of it, another in every purpose"})
	}
	w.add("revision", property{Type: []string{"integer"}, Minimum: &one})
	w.add("status", property{Type: str, Enum: []string{"complete", "partial", "evicted"}})
	w.add("missing", property{Type: []string{"array"}, Items: &property{Type: str},
		Description: "what should have been seen and was not"})
	w.add("completeness", property{Type: []string{"integer"}, Minimum: &none, Maximum: &hundred})
	w.add("purpose", property{Type: str, Enum: cpni.Purposes()})
	w.add("policy", property{Type: str, Pattern: "^[0-9a-f]{16}$", Description: "hash of the policy in force"})
	w.add("class", property{Type: str, Enum: []string{"cpni", "aggregate"}})
	w.add("expires", property{Type: str, Format: "date", Description: "the day on which it is forgotten"})
	w.add("site", property{Type: str})
	w.add("sensor", property{Type: str})
	w.add("source", property{Type: str, Description: "interface, file or hep"})
}

func (w *schemaWriter) half() {
	w.add(keyClock, property{Type: []string{"integer"},
		Description: "of a part of a call: when it was answered or ended, hidden; with the other part's: the duration"})
	w.add(keySide, property{Type: []string{"boolean"},
		Description: "of a part of a call: whose tag sorts first, hidden; with the other part's it says who hung up"})
}

func (w *schemaWriter) loss() {
	for _, key := range []string{"from", "to"} {
		w.add(key, property{Type: []string{"string"}, Format: "date-time"})
	}
	w.add("count", property{Type: []string{"integer"}})
	w.add("reason", property{Type: []string{"string"}})
}

// field adds a field under its name, with every type that a form of it can have. Further forms of a list have keys
// of their own.
func (w *schemaWriter) field(e *cpni.Entry) {
	var types []string
	for _, name := range e.Transforms {
		if t := jsonType(e.Type, name); t != "" && !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	if e.Never || len(types) == 0 {
		return
	}
	p := property{Type: append(types, "null"), Description: e.Source}
	keptShape(&p, e)
	w.add(e.Name, p)
	for _, name := range e.Transforms {
		if t := jsonType(e.Type, name); t != "" {
			w.add(e.Name+"_"+name, property{Type: []string{t, "null"}})
		}
	}
}

// keptShape adds to p what the register says of the values of e, if no form of e but keep leaves a string.
func keptShape(p *property, e *cpni.Entry) {
	for _, name := range e.Transforms {
		if t := jsonType(e.Type, name); name != "keep" && (t == "string" || t == "array") {
			return
		}
	}
	switch {
	case !slices.Contains(e.Transforms, "keep") || e.Type == "bool":
	case slices.Contains(p.Type, "array"):
		p.Items = &property{Type: []string{"string"}, Enum: e.Words}
	case slices.Contains(p.Type, "string") && e.Type != "time":
		p.Pattern = e.Pattern
		if len(e.Words) > 0 {
			p.Pattern = "^(" + quoted(e.Words) + ")$"
		}
	}
}

// quoted returns words as alternatives of a regular expression.
func quoted(words []string) string {
	var all []string
	for _, w := range words {
		all = append(all, regexp.QuoteMeta(w))
	}
	return strings.Join(all, "|")
}

// jsonType returns the type that a field's value has in a form, "" for a form that leaves nothing of one record.
func jsonType(typ, form string) string {
	switch {
	case form == "drop" || form == "count" || form == "seal":
		return ""
	case form == "presence":
		return "boolean"
	case len(typ) > 5 && typ[len(typ)-5:] == "_list":
		return "array"
	case form != "keep" && form != "bucket" && form != "truncate":
		return "string"
	case typ == "int" || typ == "duration":
		return "integer"
	case typ == "bool":
		return "boolean"
	}
	return "string"
}
