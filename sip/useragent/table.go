package useragent

import (
	_ "embed"
	"maps"
	"slices"
	"strings"
)

//go:embed devices.tsv
var devicesText string

//go:embed models.tsv
var modelsText string

// A rule is one line of devices.tsv.
type rule struct {
	begins string // what the text begins with, in lower case
	vendor string
	model  string // a model, noModel or listedModel
	kind   string
	layout string // of a version that is longer than a firmware may be: see fitted
}

// What stands for a model in devices.tsv.
const (
	noModel     = "-" // the text names none
	listedModel = "*" // the one of models.tsv that follows the beginning
)

// rules are the rules by the first byte of their beginnings, the longest beginning first.
var rules = readRules(devicesText)

func readRules(table string) (rules [256][]rule) {
	for line := range lines(table) {
		f := append(strings.Split(line, "\t"), "")
		rules[f[0][0]] = append(rules[f[0][0]], rule{f[0], f[1], f[2], f[3], f[4]})
	}
	for i := range rules {
		slices.SortFunc(rules[i], func(a, b rule) int { return len(b.begins) - len(a.begins) })
	}
	return rules
}

// models are those of models.tsv.
var models = readModels(modelsText)

// A modelTable has the models of each vendor, in upper case.
type modelTable struct {
	of      map[string]map[string]string
	longest int // length of the longest model, in bytes
}

func readModels(table string) modelTable {
	t := modelTable{of: map[string]map[string]string{}}
	for line := range lines(table) {
		vendor, list, _ := strings.Cut(line, "\t")
		if t.of[vendor] == nil {
			t.of[vendor] = map[string]string{}
		}
		for model := range strings.FieldsSeq(list) {
			t.of[vendor][model] = model
			t.longest = max(t.longest, len(model))
		}
	}
	return t
}

// lines calls yield with each line of a table, comments and empty lines left out, until it returns false.
func lines(table string) func(yield func(line string) bool) {
	return func(yield func(line string) bool) {
		for line := range strings.Lines(table) {
			if line = strings.TrimRight(line, "\n"); line != "" && line[0] != '#' && !yield(line) {
				return
			}
		}
	}
}

// Words returns every vendor, model and kind that a Device can have, sorted.
func Words() (vendors, modelWords, kinds []string) {
	vendors, modelWords, kinds = []string{other}, []string{other}, []string{unknown}
	for _, list := range rules {
		for _, r := range list {
			vendors, kinds = append(vendors, r.vendor), append(kinds, r.kind)
			if r.model != listedModel && r.model != noModel {
				modelWords = append(modelWords, r.model)
			}
		}
	}
	for _, list := range models.of {
		modelWords = slices.AppendSeq(modelWords, maps.Keys(list))
	}
	for _, list := range []*[]string{&vendors, &modelWords, &kinds} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return vendors, modelWords, kinds
}
