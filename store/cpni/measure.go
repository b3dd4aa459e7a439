package cpni

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"sipsieve/sip/phone"
	"sipsieve/sip/syntax"
	"sipsieve/sip/useragent"
)

// A measure is what the values of one Field must be.
type measure struct {
	mark   Mark
	number bool            // they are numbers
	most   int64           // of numbers: none is more, none is less than 0
	words  map[string]bool // of closed ones: the words of the register or of the product
	own    func(*inside, string) bool
	shape  func(string) bool
}

// measures are those of all Fields.
var measures = func() (list [maxFields]measure) {
	for i := range theRegister.Field {
		list[i] = measureOf(&theRegister.Field[i])
	}
	return list
}()

func measureOf(e *Entry) (m measure) {
	m.mark = e.Mark()
	switch base := strings.TrimSuffix(e.Type, "_list"); {
	case m.mark == Text:
	case base == "bool":
		m.number, m.most = true, 1
	case base == "time":
		m.number, m.most = true, lastMoment
	case base == "int" || base == "duration":
		m.number, m.most = true, mostOf(e.Pattern)
	case m.mark == Shaped:
		m.shape = shapes[e.Pattern]
	case e.List != "":
		m.words, m.own = listed(e)
	default:
		m.words = set(e.Words)
	}
	return m
}

// lastMoment is the end of the year 9999 in Unix microseconds: later ones have more than four digits of a year.
const lastMoment = 253402300799999999

// digitsShape is the shape of numbers: of at most so many digits, or of exactly so many.
var digitsShape = regexp.MustCompile(`^\^\[0-9\]\{(?:1,)?([0-9]{1,2})\}\$$`)

// mostOf returns the largest number that pattern, one of digits, allows.
func mostOf(pattern string) int64 {
	found := digitsShape.FindStringSubmatch(pattern)
	if found == nil {
		panic("cpni: no shape of a number: " + pattern)
	}
	n, most := 0, int64(1)
	n, _ = strconv.Atoi(found[1])
	for range n {
		most *= 10
	}
	return most - 1
}

// shapes finds what the patterns of the register find, without an allocation.
var shapes = map[string]func(string) bool{
	`^(\+[0-9]{7,15}|anonymous|non_e164)$`: isNumber,
	`^(\+[0-9]{7,15}|\+?[0-9*#]{2,6}|anonymous|non_e164)$`: func(s string) bool {
		return isNumber(s) || within(strings.TrimPrefix(s, "+"), &dialKeys, 2, 6)
	},
	`^(\+[0-9]{4,6}|[0-9]{3,4})$`: carrierShape,
	`^\+[0-9]{1,8}$`: func(s string) bool {
		rest, ok := strings.CutPrefix(s, "+")
		return ok && within(rest, &decimals, 1, 8)
	},
	`^([A-Z]{2}|001)$`: func(s string) bool {
		return s == "001" || len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
	},
	`^(([0-9]{1,3}\.){3}[0-9]{1,3}|[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7})$`: func(s string) bool {
		a, err := netip.ParseAddr(s)
		return err == nil && within(s, &addressBytes, 2, 39) && !a.Is4In6() && (a.Is4() || !strings.Contains(s, "."))
	},
	`^[0-9a-f]{12}$`: func(s string) bool { return within(s, &hexadecimals, 12, 12) },
	`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`: syntax.IsUUID,
	`^[a-z2-7]{26}$`:          isID,
	useragent.FirmwarePattern: useragent.IsFirmware[string],
}

func isNumber(s string) bool {
	rest, plus := strings.CutPrefix(s, "+")
	return plus && within(rest, &decimals, 7, 15) || s == phone.Anonymous || s == phone.NonE164
}

// IsName reports whether s is a name: 1 to 32 characters of a-z, 0-9, _ and -. Purposes, sites, sensors, trunks and
// audiences have one, for it may stand in a subject, a stream's name, a message id and a folder's name.
func IsName(s string) bool { return within(s, &nameBytes, 1, 32) }

func isID(s string) bool { return within(s, &base32s, 26, 26) }

// An alphabet is a set of bytes.
type alphabet [256]bool

var (
	decimals     = alphabetOf("0123456789")
	dialKeys     = alphabetOf("0123456789*#")
	hexadecimals = alphabetOf("0123456789abcdef")
	addressBytes = alphabetOf("0123456789abcdef.:")
	nameBytes    = alphabetOf("abcdefghijklmnopqrstuvwxyz0123456789_-")
	base32s      = alphabetOf("abcdefghijklmnopqrstuvwxyz234567")
)

func alphabetOf(text string) (a alphabet) {
	for i := range len(text) {
		a[text[i]] = true
	}
	return a
}

// within reports whether s has least to most bytes, all out of a.
func within(s string, a *alphabet, least, most int) bool {
	if len(s) < least || len(s) > most {
		return false
	}
	for i := range len(s) {
		if !a[s[i]] {
			return false
		}
	}
	return true
}

// listed returns the words of the product behind e, or what finds those of the operator.
func listed(e *Entry) (words map[string]bool, own func(*inside, string) bool) {
	vendors, models, kinds := useragent.Words()
	switch e.Name {
	case "device_vendor":
		return set(vendors), nil
	case "device_model":
		return set(models), nil
	case "device_kind":
		return set(kinds), nil
	case "capture_point":
		return set([]string{filePoint, otherPoint}), func(in *inside, s string) bool { return in.reader.points[s] }
	case "account_id":
		return nil, func(in *inside, s string) bool { return in.reader.trunks.accounts[s] }
	case "trunk_in", "trunk_out":
		return nil, func(in *inside, s string) bool { return in.reader.trunks.names[strings.ToLower(s)] != nil }
	}
	panic("cpni: the register's list of " + e.Name + " is not known")
}

func set(words []string) map[string]bool {
	s := map[string]bool{}
	for _, w := range words {
		s[w] = true
	}
	return s
}

// fits reports whether v matches the row of its Field.
func (m *measure) fits(in *inside, v *Value) bool {
	switch {
	case v.mark == Unmarked:
		return true
	case v.mark != m.mark:
		return false
	case m.mark == Text:
		return true
	case m.number:
		return v.n >= 0 && v.n <= m.most && v.word == "" && v.words == nil && v.text.text == nil && v.texts == nil
	case v.n != 0 || m.shape != nil && v.word == "" && v.text.text == nil:
		return false
	}
	for _, w := range v.words {
		if !m.has(in, w) {
			return false
		}
	}
	for _, h := range v.texts {
		if !m.has(in, *h.text) {
			return false
		}
	}
	return (v.word == "" || m.has(in, v.word)) && (v.text.text == nil || m.has(in, *v.text.text))
}

// has reports whether s stands on the list, or has the shape.
func (m *measure) has(in *inside, s string) bool {
	if m.shape != nil {
		return m.shape(s)
	}
	return m.words[s] || m.own != nil && m.own(in, s)
}

// keeping are the transforms that leave the value, or a part of it, as it is.
var keeping = set([]string{"keep", "e164", "area", "truncate", "bucket"})
