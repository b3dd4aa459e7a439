package useragent

import (
	"bytes"
	"sipsieve/sip/syntax"
)

// FirmwarePattern is the shape of a firmware: two to six digits with dots between them, or four numbers with a single
// digit where a telephone number has none. A subscriber's number has seven digits or more, in groups of two to four
// behind the country and area code (ITU-T E.123): none of them, written with dots, has this shape.
const FirmwarePattern = `^([0-9](\.?[0-9]){1,5}|[0-9]{1,2}\.[1-9][0-9]?\.[0-9]\.[0-9]{1,4}|` +
	`[0-9]\.0\.[0-9]{1,2}\.[0-9]{1,4}|[0-9]{2}\.[0-9]\.[0-9]{2}\.[0-9]{2})$`

// IsFirmware reports whether text has the shape of FirmwarePattern. It does not allocate.
func IsFirmware[T string | []byte](text T) bool {
	var size [6]int // digits of each number
	n, digits := 0, 0
	for i := range len(text) {
		switch c := text[i]; {
		case syntax.IsDigit(c):
			size[n]++
			digits++
		case c != '.' || size[n] == 0 || n+1 == len(size):
			return false
		default:
			n++
		}
	}
	if size[n] == 0 {
		return false
	}
	if digits <= 6 {
		return digits >= 2
	}
	if n != 3 {
		return false
	}
	zero := text[size[0]+1] == '0'
	switch {
	case size[0] <= 2 && size[1] <= 2 && !zero && size[2] == 1 && size[3] <= 4:
		return true
	case size[0] == 1 && size[1] == 1 && zero && size[2] <= 2 && size[3] <= 4:
		return true
	}
	return size == [6]int{2, 1, 2, 2}
}

// behindModel bounds, in bytes, how far behind a model its firmware begins: a hardware revision may stand between.
const behindModel = 8

// firmwareIn returns the first version in text that has three numbers, or else the first, "" without one. A longer one
// that fits layout is shortened by it. Four numbers that could be an IPv4 address are a version only close behind a
// model (trusted) or the letter v.
func firmwareIn(text []byte, trusted bool, layout string) (found string) {
	for i := 0; i < len(text); {
		end := i
		for end < len(text) && (text[end] == '.' || syntax.IsDigit(text[end])) {
			end++
		}
		if end == i {
			i++
			continue
		}
		version := bytes.Trim(text[i:end], ".")
		if short := fitted(layout, version); short != nil {
			return string(short)
		}
		sure := trusted && i <= behindModel || i > 0 && syntax.Lower(text[i-1]) == 'v'
		parts := bytes.Count(version, []byte{'.'}) + 1
		if parts > 1 && IsFirmware(version) && !partOfMore(text, i, end) && (sure || !syntax.IPv4(version).IsValid()) &&
			(found == "" || parts > 2) {
			found = string(version)
			if parts > 2 {
				return found
			}
		}
		i = end
	}
	return found
}

// fitted returns what layout keeps of version, nil if version does not fit it, or if what is kept is no firmware.
func fitted(layout string, version []byte) []byte {
	from, to, at := 0, 0, 0
	for i := range len(layout) {
		c := layout[i]
		switch {
		case c == '(':
			from = at
			continue
		case c == ')':
			to = at
			continue
		case at == len(version):
			return nil
		case c == '*':
			end := at
			for end < len(version) && end < at+5 && syntax.IsDigit(version[end]) {
				end++
			}
			if end == at {
				return nil
			}
			at = end
			continue
		case c == '#' && !syntax.IsDigit(version[at]), c != '#' && c != version[at]:
			return nil
		}
		at++
	}
	if layout == "" || at != len(version) || !IsFirmware(version[from:to]) {
		return nil
	}
	return version[from:to]
}

// partOfMore reports whether the digits and dots at text[i:end] are a part of an address of mail, or of a telephone
// number whose other groups stand behind a blank or a dash, as in +1.415 555 0177.
func partOfMore(text []byte, i, end int) bool {
	switch {
	case i > 0 && (text[i-1] == '@' || text[i-1] == '+'), end < len(text) && text[end] == '@':
		return true
	case i > 0 && separator(text[i-1]) && group(bytes.TrimRight(text[:i], " -()"), true):
		return true
	}
	return end < len(text) && separator(text[end]) && group(bytes.TrimLeft(text[end:], " -()"), false)
}

func separator(c byte) bool { return c == ' ' || c == '-' }

// group reports whether text begins, or ends if last, with three or four digits and no letter next to them.
func group(text []byte, last bool) bool {
	next := func(n int) byte {
		switch {
		case n >= len(text):
			return 0
		case last:
			return text[len(text)-1-n]
		}
		return text[n]
	}
	n := 0
	for syntax.IsDigit(next(n)) {
		n++
	}
	return (n == 3 || n == 4) && !wordByte(next(n))
}
