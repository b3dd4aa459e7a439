package sdp

import (
	"bytes"

	"sipsieve/sip/syntax"
)

// Limits of a multipart body, RFC 2046.
const (
	maxParts    = 8
	maxDepth    = 2
	maxBoundary = 70
)

// Find returns the session description in body: all of it, or the first part of type application/sdp in a multipart
// body of at most 8 parts, in one of at most 2 levels. It is body's own text, nil without one. contentType is the value
// of the header of that name; a body without one is taken for a session description if it begins as one (RFC 8866 section 5).
func Find(contentType, body []byte) []byte { return findIn(contentType, body, maxDepth) }

func findIn(contentType, body []byte, depth int) []byte {
	kind, _, _ := bytes.Cut(contentType, []byte{';'})
	kind = bytes.TrimSpace(kind)
	switch {
	case len(kind) == 0 && bytes.HasPrefix(body, []byte("v=0")), syntax.EqualFold("application/sdp", kind):
		return body
	case depth > 0 && syntax.HasPrefixFold(kind, "multipart/"):
		boundary, _ := syntax.Param(contentType, "boundary")
		return findInParts(boundary, body, depth-1)
	}
	return nil
}

// findInParts looks through the parts of a multipart body.
func findInParts(boundary, body []byte, depth int) []byte {
	if len(boundary) == 0 || len(boundary) > maxBoundary {
		return nil
	}
	_, body, last := toDelimiter(body, boundary)
	for n := 0; n < maxParts && !last && len(body) > 0; n++ {
		var part []byte
		part, body, last = toDelimiter(body, boundary)
		head := syntax.HeadLength(part)
		if head == 0 {
			continue
		}
		if found := findIn(syntax.ContentType(part[:head]), part[head:], depth); found != nil {
			return found
		}
	}
	return nil
}

// toDelimiter returns what stands before the next delimiter line and what follows that line. last: the
// delimiter closes the body, or is not there.
func toDelimiter(body, boundary []byte) (part, rest []byte, last bool) {
	for begin := 0; begin < len(body); {
		next := begin + syntax.LineLength(body[begin:])
		line := body[begin:next]
		if bytes.HasPrefix(line, []byte("--")) && bytes.HasPrefix(line[2:], boundary) {
			switch after := bytes.TrimSpace(line[2+len(boundary):]); string(after) {
			case "", "--":
				return body[:begin], body[next:], len(after) > 0
			}
		}
		begin = next
	}
	return body, nil, true
}
