package sdp

import (
	"bytes"

	"sipsieve/sip/syntax"
)

// Limits of what Reduce appends.
const (
	maxLines = 96
	maxLine  = 512  // bytes of a line
	maxText  = 4096 // bytes
)

// Reduce appends to dst the lines of body that the field register lists, each ended by LF: o= (its user
// replaced by -), c=, m=, a=rtpmap, a=ptime and the directions. A line that holds a key or an address of ICE leaves
// its bare name (a=crypto, a=fingerprint, a=zrtp-hash, a=candidate), once. No other byte of body is copied.
func Reduce(dst, body []byte) []byte {
	start, seen := len(dst), 0
	for lines := 0; len(body) > 0 && lines < maxLines; {
		var line []byte
		line, body = cutLine(body)
		if len(line) < 3 || len(line) > maxLine && line[0] != 'a' || line[1] != '=' {
			continue
		}
		end := len(dst)
		dst = appendLine(dst, line, &seen)
		switch {
		case len(dst)-start > maxText:
			return dst[:end]
		case len(dst) > end:
			lines++
		}
	}
	return dst
}

// cutLine returns the first line of text without its CRLF or LF, and what follows it.
func cutLine(text []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(text, []byte{'\n'})
	return bytes.TrimRight(line, "\r \t"), rest
}

// appendLine appends what is kept of line. seen has a bit for each of markers that was kept.
func appendLine(dst, line []byte, seen *int) []byte {
	switch line[0] {
	case 'c', 'm':
		return append(append(dst, line...), '\n')
	case 'o':
		return appendOrigin(dst, line[2:])
	case 'a':
		return appendAttribute(dst, line, seen)
	}
	return dst
}

// appendOrigin appends an o= line without its user. Users with spaces in them are seen in the field, against
// RFC 8866, so the fields are counted from the end; session id and version must be digits, else the line is left out.
func appendOrigin(dst, line []byte) []byte {
	var fields [5][]byte
	for i := len(fields) - 1; i >= 0; i-- {
		space := bytes.LastIndexByte(line, ' ')
		if space < 0 {
			return dst
		}
		fields[i], line = line[space+1:], bytes.TrimRight(line[:space], " ")
	}
	if !syntax.AllDigits(fields[0]) || !syntax.AllDigits(fields[1]) {
		return dst
	}
	dst = append(dst, 'o', '=', '-')
	for _, f := range fields {
		dst = append(append(dst, ' '), f...)
	}
	return append(dst, '\n')
}

// markers are the attributes of which the name alone is kept: what follows it is a key or an address.
var markers = [...]string{"crypto", "fingerprint", "zrtp-hash", "candidate"}

// appendAttribute appends what is kept of an a= line.
func appendAttribute(dst, line []byte, seen *int) []byte {
	name, _, valued := bytes.Cut(line[2:], []byte{':'})
	switch string(name) {
	case "rtpmap", "ptime":
		if !valued || len(line) > maxLine {
			return dst
		}
		return append(append(dst, line...), '\n')
	case "sendrecv", "sendonly", "recvonly", "inactive":
		return append(append(append(dst, "a="...), name...), '\n')
	}
	for i, m := range markers {
		if string(name) == m && *seen&(1<<i) == 0 {
			*seen |= 1 << i
			return append(append(append(dst, "a="...), m...), '\n')
		}
	}
	return dst
}
