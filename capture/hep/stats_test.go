package hep

import (
	"reflect"
	"testing"
)

// TestStatsAddUp adds two Stats in which every count is 1: all are 2 then but what is of now.
func TestStatsAddUp(t *testing.T) {
	filled := func() (s Stats) {
		for v, i := reflect.ValueOf(&s).Elem(), 0; i < v.NumField(); i++ {
			switch f := v.Field(i); f.Kind() {
			case reflect.Uint64:
				f.SetUint(1)
			case reflect.Int:
				f.SetInt(1)
			}
		}
		s.Kinds, s.Agents = map[string]uint64{"rtcp": 1}, map[uint32]uint64{7: 1}
		return s
	}
	sum := filled()
	sum.Add(filled())
	for v, i := reflect.ValueOf(sum), 0; i < v.NumField(); i++ {
		switch f := v.Field(i); {
		case f.Kind() == reflect.Uint64 && f.Uint() != 2, f.Kind() == reflect.Int && f.Int() != 1:
			t.Errorf("%s = %v", v.Type().Field(i).Name, f)
		}
	}
	if sum.Kinds["rtcp"] != 2 || sum.Agents[7] != 2 {
		t.Errorf("kinds = %v, agents = %v, want 2 each", sum.Kinds, sum.Agents)
	}
}
