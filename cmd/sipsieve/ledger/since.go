package ledger

import (
	"encoding/json"
	"reflect"
	"strings"
)

// Since returns what l has counted since before, an earlier Ledger of the same run: an object with the keys of l, of which
// those that did not change are left out. A count of what is now, such as calls.live, is its change, and may be negative;
// a Peak is as l has it. What brings records to their stores (ops, bus, store, hub) is left out: it would count the
// record that this goes into.
func (l *Ledger) Since(before *Ledger) (json.RawMessage, error) {
	now, then := *l, *before
	now.Ops, now.Bus, now.Store, now.Hub = then.Ops, then.Bus, then.Store, then.Hub
	tree := changes(reflect.ValueOf(now), reflect.ValueOf(then))
	if tree == nil {
		return json.RawMessage("{}"), nil
	}
	return json.Marshal(tree)
}

// changes returns what differs, nil if nothing does.
func changes(now, before reflect.Value) any {
	tree := map[string]any{}
	enter := func(key string, a, b reflect.Value) {
		if change := changes(a, b); change != nil {
			tree[key] = change
		}
	}
	switch now.Kind() {
	case reflect.Uint64:
		if now.Uint() == before.Uint() {
			return nil
		}
		if now.Type() == reflect.TypeFor[Peak]() {
			return now.Uint()
		}
		return int64(now.Uint() - before.Uint())
	case reflect.Struct:
		for i := range now.NumField() {
			name, _, _ := strings.Cut(now.Type().Field(i).Tag.Get("json"), ",")
			enter(name, now.Field(i), before.Field(i))
		}
	case reflect.Map:
		for _, key := range now.MapKeys() {
			was := before.MapIndex(key)
			if !was.IsValid() {
				was = reflect.Zero(now.Type().Elem())
			}
			enter(key.String(), now.MapIndex(key), was)
		}
	}
	if len(tree) == 0 {
		return nil
	}
	return tree
}
