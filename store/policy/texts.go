package policy

// Texts returns the values of keys of x's body that are strings, in the order of keys; "" for any other and for a key
// that is not there.
func (x Excerpt) Texts(keys ...string) []string {
	texts := make([]string, len(keys))
	s := scan{x.body}
	if !s.enter() {
		return texts
	}
	for key, value, more := s.member(); more; key, value, more = s.member() {
		for i := range keys {
			if string(key) == keys[i] && !readText(value, &texts[i]) {
				texts[i] = ""
			}
		}
	}
	return texts
}
