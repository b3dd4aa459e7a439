package policy

import (
	"strconv"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"sipsieve/sip/event"
	"sipsieve/store/cpni"
)

// appendMissing writes the list of the words of m.
func appendMissing(b []byte, m event.Missing) []byte {
	b = append(b, '[')
	from := len(b)
	cpni.MissingWords(m, func(word string) {
		if len(b) > from {
			b = append(b, ',')
		}
		b = appendText(b, word)
	})
	return append(b, ']')
}

func appendLoss(b []byte, l *cpni.Loss) []byte {
	b = appendTime(append(b, `,"from":`...), l.From, "second")
	b = appendTime(append(b, `,"to":`...), l.To, "second")
	b = strconv.AppendUint(append(b, `,"count":`...), l.Count, 10)
	return appendText(append(b, `,"reason":`...), l.Reason)
}

// appendTime writes t in UTC, with microseconds if no unit was cut off.
func appendTime(b []byte, t time.Time, unit string) []byte {
	format := `"2006-01-02T15:04:05.000000Z"`
	if unit != "" {
		t, format = floor(t, unit), `"2006-01-02T15:04:05Z"`
	}
	return t.UTC().AppendFormat(b, format)
}

// appendOrNull writes text as a JSON string, null if it is empty.
func appendOrNull(b []byte, text string) []byte {
	if text == "" {
		return append(b, "null"...)
	}
	return appendText(b, text)
}

const hexDigits = "0123456789abcdef"

// appendRune writes r, escaped if it does not show or turns the direction of text: a terminal must not act on it.
func appendRune(b []byte, r rune) []byte {
	if unicode.IsPrint(r) {
		return utf8.AppendRune(b, r)
	}
	for _, unit := range utf16.Encode([]rune{r}) {
		b = append(b, '\\', 'u', hexDigits[unit>>12], hexDigits[unit>>8&15], hexDigits[unit>>4&15], hexDigits[unit&15])
	}
	return b
}

// appendText writes s as a JSON string (RFC 8259 section 7) without a character that does not show; bytes that are not
// UTF-8 become U+FFFD.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0 // of what is written as it is
	for i := 0; i < len(s); {
		c := s[i]
		if asIs[c] {
			i++
			continue
		}
		b = append(b, s[from:i]...)
		n := 1
		switch {
		case c >= utf8.RuneSelf:
			var r rune
			r, n = utf8.DecodeRuneInString(s[i:])
			b = appendRune(b, r)
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i += n
		from = i
	}
	return append(append(b, s[from:]...), '"')
}

// asIs are the bytes that a JSON string holds as they are.
var asIs = func() (list [256]bool) {
	for c := 0x20; c < 0x7f; c++ {
		list[c] = c != '"' && c != '\\'
	}
	return list
}()
