package cpni

// A Mark is what a Field's values are, and so what may become of them. The zero Mark is that of no value.
type Mark uint8

// Marks.
const (
	Unmarked Mark = iota
	Text          // text of a message: never kept, only replaced by something else
	Shaped        // of a shape that the register gives: a number, a time, an address, a version
	Closed        // a word of a closed list: of the register, of the product or of the operator
)

// String returns the register's word for m.
func (m Mark) String() string { return markWords[m] }

var markWords = [...]string{"", "text", "shape", "closed"}

// A Value is one fact of a Record. The zero Value is unknown: published as null. Each extractor makes it by a
// constructor that marks it, and Get drops one whose Mark is not its Field's, or that is not what that Mark promises.
type Value struct {
	mark  Mark
	n     int64    // int, bool (0, 1), duration (milliseconds), time (Unix microseconds)
	word  string   // enum, country
	words []string // enum_list, in the register's order
	text  Hidden   // everything else: a number, an address, a name
	texts []Hidden // lists of such

	category string // of a number, where more is known than follows from the number
}

// Known reports whether there is a value.
func (v *Value) Known() bool { return v.mark != Unmarked }

// Keepable reports whether v may be published as it is.
func (v *Value) Keepable() bool { return v.mark == Shaped || v.mark == Closed }

// Number returns an int, a bool (0 or 1), a duration in milliseconds or a time in Unix microseconds.
func (v *Value) Number() int64 { return v.n }

// Word returns an enum or a country, "" for a value that is something else.
func (v *Value) Word() string { return v.word }

// Words returns a list of enums.
func (v *Value) Words() []string { return v.words }

// Text returns what is neither a number nor an enum.
func (v *Value) Text() Hidden { return v.text }

// Texts returns a list of such.
func (v *Value) Texts() []Hidden { return v.texts }

// Category returns that of a number, "" if only the number itself is known: phone.Numbers has no
// operator's short codes.
func (v *Value) Category() string { return v.category }

// With returns v, a list of enums, with word behind the others.
func (v Value) With(word string) Value {
	v.words = append(v.words[:len(v.words):len(v.words)], word)
	return v
}

// Group returns id, made under the key of one purpose, as the value of session_group. It is unknown if id is no id.
func Group(id string) Value {
	v := shaped(id)
	if !isID(id) {
		return Value{}
	}
	return v
}

// number, positive, moment and between return numbers. They are Shaped: the register limits their digits.
func number(n int64) Value { return Value{mark: Shaped, n: n} }

func positive(n int) Value {
	if n <= 0 {
		return Value{}
	}
	return number(int64(n))
}

// shaped returns text of a shape, unknown if it is empty.
func shaped(text string) Value {
	if text == "" {
		return Value{}
	}
	return Value{mark: Shaped, text: Hide(text)}
}

// country returns a code of ISO 3166, unknown if it is empty.
func country(code string) Value {
	if code == "" {
		return Value{}
	}
	return Value{mark: Shaped, word: code}
}

// word returns a word of a closed list, unknown if it is empty.
func word(w string) Value {
	if w == "" {
		return Value{}
	}
	return Value{mark: Closed, word: w}
}

// list returns words of a closed list.
func list(w []string) Value { return Value{mark: Closed, words: w} }

func truth(b bool) Value {
	if b {
		return Value{mark: Closed, n: 1}
	}
	return Value{mark: Closed}
}

// ours returns a name of the operator's configuration, unknown if it is empty. It may be that of a customer.
func ours(name string) Value {
	if name == "" {
		return Value{}
	}
	return Value{mark: Closed, text: Hide(name)}
}

// hide returns text of a message, unknown if it is empty.
func hide(b []byte) Value {
	if len(b) == 0 {
		return Value{}
	}
	return Value{mark: Text, text: Hide(string(b))}
}
