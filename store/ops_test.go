package store

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

// record returns an OpsRecord of that kind which spans a minute.
func record(kind OpsKind) OpsRecord {
	noon := time.Date(2026, 11, 20, 12, 0, 0, 123456000, time.UTC)
	return OpsRecord{Kind: kind, Site: "dfw1", Sensor: "s1", Policy: "0123456789abcdef", From: noon,
		To: noon.Add(time.Minute), Expires: policy.Date{Year: 2027, Month: time.November, Day: 21}}
}

func TestOpsRecordsComeBackAsTheyWere(t *testing.T) {
	for _, kind := range OpsKinds() {
		r := record(kind)
		r.Purpose, r.Count, r.Reason, r.Ledger = "billing", 3, "full", []byte(`{"calls":{"opened":1}}`)
		r.Approved = []string{"privacy-officer on 2026-11-28T19:00:00Z"}
		r.Event, r.Text = OpsEvent("spool 1"), "# <été> & \"Ω\"\r\n\tkey = 1\n"
		x, err := r.Excerpt()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadOps(x.Body())
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, r)
		}
		if at, known := x.Time(); !known || !at.Equal(r.To) || x.ID != r.ID() || x.Expires != r.Expires {
			t.Errorf("%s: id %s, time %v, expires %v: want those of the record, and its end", kind, x.ID, at, x.Expires)
		}
	}
}

func TestOpsHaveSubjectsAndAStreamOfTheirOwn(t *testing.T) {
	for kind, want := range map[OpsKind]string{SensorStart: "ops.v1.audit.dfw1", SensorCrash: "ops.v1.audit.dfw1",
		SensorStop: "ops.v1.audit.dfw1", LossWindow: "ops.v1.audit.dfw1", PolicyInForce: "ops.v1.policy.dfw1", PolicyText: "ops.v1.policy.dfw1",
		Ledger: "ops.v1.ledger.dfw1"} {
		r := record(kind)
		x, err := r.Excerpt()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Subject(x); got != want || err != nil {
			t.Errorf("subject of %s = %s, %v, want %s", kind, got, err, want)
		}
	}
	if got := StreamName(Ops); got != "OPS" || !slices.Equal(StreamSubjects(Ops), []string{"ops.v1.>"}) {
		t.Errorf("stream = %s", got)
	}
	if slices.Contains(cpni.Purposes(), Ops) {
		t.Error("a policy may name the purpose of the stream OPS")
	}
}

func TestOddOpsRecordsAreRefused(t *testing.T) {
	for name, change := range map[string]func(*OpsRecord){
		"a kind":   func(r *OpsRecord) { r.Kind = "call" },
		"a site":   func(r *OpsRecord) { r.Site = "DFW 1" },
		"a ledger": func(r *OpsRecord) { r.Ledger = []byte("{") },
	} {
		r := record(Ledger)
		change(&r)
		if _, err := r.Excerpt(); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := ReadOps([]byte(`{"from":"1"}`)); !errors.Is(err, policy.ErrForeign) {
		t.Errorf("error = %v, want ErrForeign", err)
	}
}

func TestIDOfAnOpsRecordIsOfItsSpan(t *testing.T) {
	one, other := record(LossWindow), record(LossWindow)
	other.Count = 9
	if one.ID() != other.ID() {
		t.Error("another count is another record")
	}
	for name, change := range map[string]func(*OpsRecord){
		"kind": func(r *OpsRecord) { r.Kind = Ledger }, "sensor": func(r *OpsRecord) { r.Sensor = "s2" },
		"end": func(r *OpsRecord) { r.To = r.To.Add(time.Microsecond) }, "reason": func(r *OpsRecord) { r.Reason = "x" },
		"purpose": func(r *OpsRecord) { r.Purpose = "fraud" }, "event": func(r *OpsRecord) { r.Event = OpsEvent("1") },
	} {
		other := record(LossWindow)
		if change(&other); other.ID() == one.ID() {
			t.Errorf("another %s is the same record", name)
		}
	}
}

func TestGapsOfOpsRecords(t *testing.T) {
	first := record(SensorStart)
	first.From = first.To
	if first.Gap() != "" {
		t.Error("the first start of a sensor is a gap")
	}
	for kind, want := range map[OpsKind]Gap{SensorStart: GapDown, SensorCrash: GapRestart, LossWindow: GapLoss} {
		if r := record(kind); r.Gap() != want {
			t.Errorf("gap of %s = %q, want %q", kind, r.Gap(), want)
		}
	}
	if r := record(Ledger); r.Gap() != "" {
		t.Error("a ledger is a gap")
	}
}
