package policy

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sipsieve/sip/facts"
	"sipsieve/store/cpni"
)

// typesOf returns the types that the values of a kind's records can have, by key.
func typesOf(kind cpni.Kind) map[string][]string {
	types := map[string][]string{}
	for f := range cpni.Field(cpni.Fields()) {
		e := f.Entry()
		if !f.In(kind) || e.Never {
			continue
		}
		for _, transform := range e.Transforms {
			if t := jsonType(e.Type, transform); t != "" {
				types[e.Name] = append(types[e.Name], t, "null")
				types[e.Name+"_"+transform] = []string{t, "null"}
			}
		}
	}
	return types
}

// jsonType returns the type that a field's value has after a transform, "" if that leaves nothing of one record.
func jsonType(typ, transform string) string {
	switch {
	case transform == "drop" || transform == "count" || transform == "seal":
		return ""
	case transform == "presence":
		return "boolean"
	case strings.HasSuffix(typ, "_list"):
		return "array"
	case transform != "keep" && transform != "bucket" && transform != "truncate":
		return "string"
	case typ == "int" || typ == "duration":
		return "integer"
	case typ == "bool":
		return "boolean"
	}
	return "string"
}

func typeOf(value string) string {
	switch value[0] {
	case '"':
		return "string"
	case '[':
		return "array"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "integer"
}

// envelopeTypes are the types of what every record of an answered call has beside its fields.
var envelopeTypes = map[string]string{"schema": "string", "kind": "string", "stage": "string", "id": "string",
	"dialog": "string", "revision": "integer", "status": "string", "missing": "array", "completeness": "integer",
	"purpose": "string", "policy": "string", "class": "string", "expires": "string", "site": "string", "sensor": "string",
	"source": "string"}

func TestEveryValueHasTheTypeOfItsFieldAndTransform(t *testing.T) {
	types := typesOf(cpni.CallKind)
	texts := map[facts.Fact]string{facts.PriorityEmergency: "1"}
	for fact := range facts.Count {
		texts[fact] = "+13035550142"
	}
	for seed := range uint64(50) {
		purpose := cpni.Purposes()[seed%5]
		lines, _ := randomLines(rand.New(rand.NewPCG(seed, 2)), purpose)
		keys, values := minimised(t, boundPurpose(t, written(purpose, lines)), aCall(texts))
		for _, key := range keys {
			if want, own := envelopeTypes[key]; own != slices.Contains(envelopeKeys, key) || own && typeOf(values[key]) != want {
				t.Errorf("%s is %s, want %s", key, typeOf(values[key]), want)
			} else if !own && !slices.Contains(types[key], typeOf(values[key])) {
				t.Errorf("%s is %s, want one of %v", key, typeOf(values[key]), types[key])
			}
		}
	}
}

func TestALossHasKeysOfItsOwn(t *testing.T) {
	loss := cpni.OfLoss(cpni.Loss{From: newYear, To: newYear, Count: 1, Reason: "stream_full"})
	keys, values := minimised(t, boundPurpose(t, written("fraud", "")), &loss)
	want := slices.Concat(otherKeys, []string{"from", "to", "count", "reason"})
	if !slices.Equal(keys, want) {
		t.Errorf("keys = %v, want %v", keys, want)
	}
	for _, key := range otherKeys {
		if typeOf(values[key]) != envelopeTypes[key] {
			t.Errorf("loss: %s is %s, want %s", key, typeOf(values[key]), envelopeTypes[key])
		}
	}
	for key, typ := range map[string]string{"from": "string", "to": "string", "count": "integer",
		"reason": "string"} {
		if typeOf(values[key]) != typ {
			t.Errorf("loss: %s is %s, want %s", key, typeOf(values[key]), typ)
		}
	}
}

// alternatives returns words as alternatives of a regular expression.
func alternatives(words []string) string {
	var all []string
	for _, w := range words {
		all = append(all, regexp.QuoteMeta(w))
	}
	return strings.Join(all, "|")
}
