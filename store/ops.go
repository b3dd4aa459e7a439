package store

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"sipsieve/store/policy"
)

// Ops is the purpose under which streams and stores have OpsRecords: the stream OPS, and partitions like those of any
// other purpose. It has nothing of a person.
const Ops = policy.Ops

// An OpsKind is what an OpsRecord says of its sensor: one word of a closed set.
type OpsKind string

// Kinds of OpsRecords.
const (
	// SensorStart is a start after a clean stop. It spans the time since that stop; From is To at the first start.
	SensorStart OpsKind = "sensor_start"
	// SensorStop is a clean stop. It spans the run.
	SensorStop OpsKind = "sensor_stop"
	// SensorCrash is a start after a run that did not stop cleanly. It spans the time since the last sign of life.
	SensorCrash OpsKind = "sensor_crash"
	// PolicyInForce says that the policy of the hash in Policy was in force for the whole span. Spans of one run follow
	// each other without a gap.
	PolicyInForce OpsKind = "policy"
	// PolicyText has the text of the policy of the hash in Policy, whole, under which the sensor began to make records at
	// From, or still made them. The sensor puts it again before the last one expires.
	PolicyText OpsKind = "policy_text"
	// LossWindow is records that were made and are lost, or packets that were not read. It has Purpose, Count and Reason.
	LossWindow OpsKind = "loss_window"
	// Ledger is what the sensor counted within the span. Spans of one run follow each other without a gap.
	Ledger OpsKind = "ledger"
)

// opsSubjects are the words of the kinds in subjects.
var opsSubjects = map[OpsKind]string{SensorStart: "audit", SensorStop: "audit", SensorCrash: "audit",
	LossWindow: "audit", PolicyInForce: "policy", PolicyText: "policy", Ledger: "ledger"}

// OpsKinds returns all kinds.
func OpsKinds() []OpsKind {
	return []OpsKind{SensorStart, SensorStop, SensorCrash, PolicyInForce, PolicyText, LossWindow, Ledger}
}

// An OpsRecord is one fact about a sensor: proof of what it covered, for billing and auditors. Two with the same kind,
// site, sensor, span, policy, purpose, reason and event are one record, which a store keeps once.
type OpsRecord struct {
	Kind         OpsKind
	Site, Sensor string
	From, To     time.Time   // the span, to the microsecond; the same for a moment
	Policy       string      // hash of the policy in force at To
	Expires      policy.Date // see policy.LongestExpiry

	Approved []string        // of a PolicyInForce: in which roles the policy was approved, and when; none if nobody has to
	Purpose  string          // of a LossWindow: whose records; "" if of all
	Count    uint64          // of a LossWindow: how many are lost; 0 if that is not known
	Reason   string          // of a LossWindow: a word of a closed set, such as overflow, full or damaged
	Event    string          // of a LossWindow: see OpsEvent; "" if the span names what was lost
	Text     string          // of a PolicyText: the file, byte for byte
	Ledger   json.RawMessage // of a Ledger: the counts that changed, shaped as in status; counts of what is now may fall
}

// A Gap is why a sensor saw or kept less than there was.
type Gap string

// Gaps.
const (
	GapLoss    Gap = "loss_window" // some records are lost, or some packets were not read
	GapRestart Gap = "restart_gap" // the sensor had died, and nothing live was read
	GapDown    Gap = "sensor_down" // the sensor had been stopped, and nothing live was read
)

// Gap returns why the span of r is not covered, "" if r says no such thing. What no Ledger spans, and no Gap, is not
// proven: the sensor was down and has not started again, or its records have not come yet.
func (r *OpsRecord) Gap() Gap {
	switch {
	case r.Kind == LossWindow:
		return GapLoss
	case r.Kind == SensorCrash:
		return GapRestart
	case r.Kind == SensorStart && r.From.Before(r.To):
		return GapDown
	}
	return ""
}

// opsTime is how times stand in the body of an OpsRecord.
const opsTime = "2006-01-02T15:04:05.000000Z"

// An opsBody is the body of an OpsRecord: the envelope of every excerpt, and its own keys.
type opsBody struct {
	Schema       string          `json:"schema"`
	Kind         OpsKind         `json:"kind"`
	Stage        string          `json:"stage"`
	ID           string          `json:"id"`
	Revision     int             `json:"revision"`
	Status       string          `json:"status"`
	Missing      []string        `json:"missing"`
	Completeness int             `json:"completeness"`
	Purpose      string          `json:"purpose"`
	Policy       string          `json:"policy"`
	Class        string          `json:"class"`
	Expires      string          `json:"expires"`
	Site         string          `json:"site"`
	Sensor       string          `json:"sensor"`
	Source       *string         `json:"source"`
	From         string          `json:"from"`
	To           string          `json:"to"`
	Approved     []string        `json:"approved,omitempty"`
	LossPurpose  string          `json:"loss_purpose,omitempty"`
	Count        uint64          `json:"count,omitempty"`
	Reason       string          `json:"reason,omitempty"`
	Event        string          `json:"event,omitempty"`
	Text         string          `json:"text,omitempty"`
	Ledger       json.RawMessage `json:"ledger,omitempty"`
}

// ID returns the id of r: a hash of what makes it one record.
func (r *OpsRecord) ID() string {
	parts := []string{string(r.Kind), r.Site, r.Sensor, opsText(r.From), opsText(r.To), r.Policy, r.Purpose, r.Reason}
	if r.Event != "" {
		parts = append(parts, r.Event)
	}
	return opsHash(strings.Join(parts, "\n"))
}

// OpsEvent returns the Event of an OpsRecord for a text that no other loss has: a hash of it, since it may have the id of a
// record. It is "" for "".
func OpsEvent(text string) string {
	if text == "" {
		return ""
	}
	return opsHash(text)
}

func opsHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])[:26])
}

func opsText(t time.Time) string { return t.UTC().Format(opsTime) }

// Excerpt returns r as a Sink takes it. An error is one of a name, a kind or a Ledger that is not JSON.
func (r *OpsRecord) Excerpt() (policy.Excerpt, error) {
	b := opsBody{Schema: "sipsieve." + string(r.Kind) + "/1", Kind: r.Kind, Stage: "stop", ID: r.ID(), Revision: 1,
		Status: "complete", Missing: []string{}, Completeness: 100, Purpose: Ops, Policy: r.Policy, Class: "operational",
		Expires: r.Expires.String(), Site: r.Site, Sensor: r.Sensor, From: opsText(r.From), To: opsText(r.To),
		Approved: r.Approved, LossPurpose: r.Purpose, Count: r.Count, Reason: r.Reason, Event: r.Event, Text: r.Text,
		Ledger: r.Ledger}
	text, err := json.Marshal(b)
	if err != nil {
		return policy.Excerpt{}, fmt.Errorf("store: ops: %w", err)
	}
	x, err := policy.Received(text)
	if err == nil {
		_, err = opsSubject(x)
	}
	if err != nil {
		return policy.Excerpt{}, fmt.Errorf("store: ops: %w", err)
	}
	return x, nil
}

// ReadOps reads the body of an OpsRecord. Its errors quote nothing of it.
func ReadOps(body []byte) (r OpsRecord, err error) {
	x, err := policy.Received(body)
	if err != nil {
		return r, err
	}
	var b opsBody
	if json.Unmarshal(body, &b) != nil || x.Purpose != Ops {
		return r, fmt.Errorf("store: ops: %w", policy.ErrForeign)
	}
	r = OpsRecord{Kind: b.Kind, Site: b.Site, Sensor: b.Sensor, Policy: b.Policy, Expires: x.Expires, Approved: b.Approved,
		Purpose: b.LossPurpose, Count: b.Count, Reason: b.Reason, Event: b.Event, Text: b.Text, Ledger: b.Ledger}
	var err2 error
	r.From, err = time.Parse(time.RFC3339, b.From)
	r.To, err2 = time.Parse(time.RFC3339, b.To)
	if err != nil || err2 != nil {
		return r, fmt.Errorf("store: ops: %w: from or to is no time", policy.ErrForeign)
	}
	return r, nil
}

// opsSubject returns where a record of Ops is published. An error wraps ErrName.
func opsSubject(x policy.Excerpt) (string, error) {
	word, ok := opsSubjects[OpsKind(x.Kind)]
	if !ok {
		return "", fmt.Errorf("store: ops: kind: %w", ErrName)
	}
	if err := CheckName(x.Site); err != nil {
		return "", err
	}
	return "ops.v1." + word + "." + x.Site, nil
}
