package policy

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"sipsieve/sip/track"
	"sipsieve/store/cpni"
)

// typesOf returns the types that the schema of a kind gives each key, and the keys that it requires.
func typesOf(t *testing.T, kind string) (types map[string][]string, required []string) {
	t.Helper()
	var schema struct {
		Required   []string
		Properties map[string]struct{ Type []string }
	}
	if err := json.Unmarshal(Schema(kind), &schema); err != nil {
		t.Fatal(err)
	}
	types = map[string][]string{}
	for key, p := range schema.Properties {
		types[key] = p.Type
	}
	return types, schema.Required
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

func TestWhatLeavesFitsTheSchema(t *testing.T) {
	types, required := typesOf(t, "call")
	if !slices.Equal(required, envelopeKeys) {
		t.Errorf("required = %v, want %v", required, envelopeKeys)
	}
	facts := map[track.Fact]string{track.PriorityEmergency: "1"}
	for fact := range track.Facts_ {
		facts[fact] = "+13035550142"
	}
	for seed := range uint64(50) {
		purpose := cpni.Purposes()[seed%5]
		lines, _ := randomLines(rand.New(rand.NewPCG(seed, 2)), purpose)
		_, values := minimised(t, boundPurpose(t, written(purpose, lines)), aCall(facts))
		for key, value := range values {
			if !slices.Contains(types[key], typeOf(value)) {
				t.Errorf("%s is %s, want one of %v", key, typeOf(value), types[key])
			}
		}
	}
	loss := cpni.OfLoss(cpni.Loss{From: newYear, To: newYear, Count: 1, Reason: "stream_full"})
	lossTypes, lossKeys := typesOf(t, "loss")
	keys, values := minimised(t, boundPurpose(t, written("fraud", "")), &loss)
	if !slices.Equal(keys, lossKeys) {
		t.Errorf("keys = %v, want %v", keys, lossKeys)
	}
	for key, value := range values {
		if !slices.Contains(lossTypes[key], typeOf(value)) {
			t.Errorf("loss: %s is %s, want one of %v", key, typeOf(value), lossTypes[key])
		}
	}
}

func TestTheSchemaHasNoFieldThatIsNeverCollectedOrForeign(t *testing.T) {
	call, _ := typesOf(t, "call")
	registration, _ := typesOf(t, "registration")
	for f := range cpni.Field(cpni.Fields()) {
		_, inCall := call[f.String()]
		_, inOther := registration[f.String()]
		if never := f.Entry().Never; never && (inCall || inOther) || inCall && !f.In("call") ||
			inOther && !f.In("registration") {
			t.Errorf("%s: in call %t, in registration %t, never %t", f, inCall, inOther, never)
		}
	}
	if Schema("aggregate") != nil {
		t.Error("a kind that is not published has a schema")
	}
}
