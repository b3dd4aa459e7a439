package store

import (
	"cmp"
	"strings"

	"sipsieve/sip/event"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

// Replaces reports whether x takes the place of y, which has the same id. Of one sensor the higher revision does; of
// one revision complete over partial over evicted, then the higher completeness, then the one published later, as
// far as that is known, else the one that comes later. Between sensors the later stage does, then complete over
// partial over evicted, then the higher completeness, then the lower sensor name.
//
// What is left of many does not depend on the order in which they come, as long as a sensor's later revision
// does not rank below its earlier one.
func Replaces(x, y policy.Excerpt) bool {
	if x.Sensor == y.Sensor {
		better := cmp.Or(cmp.Compare(x.Revision, y.Revision), quality(x, y), x.Published.Compare(y.Published))
		return better > 0 || better == 0 && (x.Published.Number == 0 || y.Published.Number == 0)
	}
	return cmp.Or(cmp.Compare(cpni.StageOf(x.Stage), cpni.StageOf(y.Stage)), quality(x, y),
		strings.Compare(y.Sensor, x.Sensor)) > 0
}

// quality is positive if x shows more of a call than y.
func quality(x, y policy.Excerpt) int {
	return cmp.Or(cmp.Compare(wholeness(x.Status), wholeness(y.Status)), cmp.Compare(x.Completeness, y.Completeness))
}

// wholeness ranks the words of a status: complete over partial over evicted over a word that is none.
func wholeness(status string) int {
	switch cpni.StatusOf(status) {
	case event.Complete:
		return 3
	case event.Partial:
		return 2
	case event.Evicted:
		return 1
	}
	return 0
}
