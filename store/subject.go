package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

// ErrName is the cause when a purpose, kind, site or sensor is not a name of 1 to 32 characters of a-z, 0-9, _ and -.
var ErrName = errors.New("not a name")

// CheckName returns an error that wraps ErrName unless cpni.IsName(name). The error does not quote it.
func CheckName(name string) error {
	if !cpni.IsName(name) {
		return fmt.Errorf("store: %w: %d characters", ErrName, len(name))
	}
	return nil
}

// Subject returns where x is published: cpni.v1.<purpose>.<kind>.<site>, for an aggregate
// aggregate.v1.<purpose>.<table>.<site>, and for a record of Ops ops.v1.<ledger|audit|policy>.<site>. An error wraps
// ErrName.
func Subject(x policy.Excerpt) (string, error) {
	if x.Purpose == Ops {
		return opsSubject(x)
	}
	first, third := "cpni", x.Kind
	if aggregate := cpni.AggregateKind.String(); x.Kind == aggregate {
		first, third = aggregate, table(x)
	}
	for _, name := range []string{x.Purpose, third, x.Site} {
		if err := CheckName(name); err != nil {
			return "", err
		}
	}
	return first + ".v1." + x.Purpose + "." + third + "." + x.Site, nil
}

// table returns the table that an aggregate counts in, "" if it names none.
func table(x policy.Excerpt) string {
	var body struct {
		Table string `json:"table"`
	}
	if json.Unmarshal(x.Body(), &body) != nil {
		return ""
	}
	return body.Table
}

// StreamName returns the stream of a purpose, on the edge as on the hub. The purpose is a name: see CheckName.
func StreamName(purpose string) string {
	if purpose == Ops {
		return "OPS"
	}
	return "CPNI_" + strings.ToUpper(purpose)
}

// StreamSubjects returns what the stream of a purpose takes.
func StreamSubjects(purpose string) []string {
	if purpose == Ops {
		return []string{"ops.v1.>"}
	}
	return []string{"cpni.v1." + purpose + ".>", "aggregate.v1." + purpose + ".>"}
}
