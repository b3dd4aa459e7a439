package sip

import (
	"bytes"

	"sipsieve/sip/syntax"
)

// cseq reads a CSeq: below 2^31 (RFC 3261 section 8.1.1.5), a space, a method.
func (r *Reader) cseq(v []byte) bool {
	n, i := 0, 0
	for ; i < len(v) && '0' <= v[i] && v[i] <= '9'; i++ {
		if n = n*10 + int(v[i]-'0'); n >= 1<<31 {
			return false
		}
	}
	method := syntax.Trim(v, syntax.Range{From: i, To: len(v)})
	token := v[method.From:method.To]
	if i == 0 || method.From == i || !syntax.IsToken(token) {
		return false
	}
	r.m.CSeq = uint32(n)
	if r.m.Status != 0 {
		r.m.Method = methodOf(token)
	} else if !bytes.Equal(token, r.pass.token) {
		r.m.Flags |= CSeqMismatch
	}
	return true
}

// paramBomb reports whether one of the comma-separated values of v has more parameters than the limit, those of
// its URI and the URI's own headers included.
func (r *Reader) paramBomb(v []byte) bool {
	if bytes.Count(v, []byte{';'})+bytes.Count(v, []byte{'&'}) <= r.limits.Params {
		return false
	}
	s := syntax.Scan(v)
	for i := 0; i < len(v); {
		end := s.Next(i, ',', ',')
		if bytes.Count(v[i:end], []byte{';'})+bytes.Count(v[i:end], []byte{'&'}) > r.limits.Params {
			return true
		}
		i = end + 1
	}
	return false
}

// lowerVias is how many Via values below the topmost an INVITE keeps at least: they say which hop follows which.
const lowerVias = 4

// via takes note of a Via line: how many values it has, and of the topmost its branch and sent-by.
func (r *Reader) via(b []byte, value syntax.Range) (why Refusal, ok bool) {
	v := b[value.From:value.To]
	if r.paramBomb(v) {
		return TooLong, false
	}
	s := syntax.Scan(v)
	top := s.Next(0, ',', ',')
	all := r.allVias || r.m.Method == Invite && r.m.Request() && r.m.Vias <= lowerVias
	if r.m.Vias == 0 {
		one := syntax.Range{From: value.From, To: value.From + top}
		if !all {
			value = syntax.Trim(b, one)
		}
		r.keep(Via, b, value)
		r.m.BranchOf = paramSpan(Via, b, one, "branch")
		r.m.SentBy = sentBy(b, one)
	} else if all {
		r.keep(Via, b, value)
	}
	for r.m.Vias < 255 {
		r.m.Vias++
		if top >= len(v) {
			break
		}
		top = s.Next(top+1, ',', ',')
	}
	return 0, true
}

// sentBy returns where the sent-by of the Via value stands: after the second slash's word and white space, before
// the parameters (RFC 3261 section 20.42).
func sentBy(b []byte, value syntax.Range) Span {
	v := b[value.From:value.To]
	i := bytes.IndexByte(v, '/')
	j := bytes.IndexByte(v[i+1:], '/')
	if i < 0 || j < 0 {
		return Span{}
	}
	i += j + 2
	for i < len(v) && syntax.IsBlank(v[i]) {
		i++
	}
	for i < len(v) && !syntax.IsBlank(v[i]) {
		i++
	}
	end := len(v)
	if n := bytes.IndexByte(v[i:], ';'); n >= 0 {
		end = i + n
	}
	s := syntax.Trim(v, syntax.Range{From: i, To: end})
	return Span{Header: Via, Off: uint16(value.From + s.From), Len: uint16(s.To - s.From)}
}

// allowed are the parameters of credentials and challenges that may be looked at. Nothing that proves knowledge of
// a secret is among them.
var allowed = map[Header][]string{
	Authorization:      {"username", "realm", "algorithm"},
	ProxyAuthorization: {"username", "realm", "algorithm"},
	WWWAuthenticate:    {"realm", "stale", "algorithm"},
	ProxyAuthenticate:  {"realm", "stale", "algorithm"},
}

// credentials keeps a Span of each allowed parameter of a Digest value, name and all: username="alice". Other
// schemes have none that could be told from a secret.
func (r *Reader) credentials(h Header, b []byte, value syntax.Range) {
	const scheme = "digest"
	v := b[value.From:value.To]
	if len(v) <= len(scheme) || !syntax.HasPrefixFold(v, scheme) || !syntax.IsBlank(v[len(scheme)]) {
		return
	}
	s := syntax.Scan(v)
	for i := len(scheme); i < len(v); {
		end := s.Next(i, ',', ',')
		one := syntax.Trim(v, syntax.Range{From: i, To: end})
		if mayKeep(h, v[one.From:one.To]) {
			r.keep(h, b, syntax.Range{From: value.From + one.From, To: value.From + one.To})
		}
		i = end + 1
	}
}

// mayKeep reports whether assignment is that of an allowed parameter and of nothing else: a quote or comma that is
// missing must not take the next parameter along.
func mayKeep(h Header, assignment []byte) bool {
	name, value, ok := bytes.Cut(assignment, []byte{'='})
	name, value = bytes.TrimSpace(name), bytes.TrimSpace(value)
	for _, a := range allowed[h] {
		if ok && syntax.EqualFold(a, name) {
			return isAlone(value)
		}
	}
	return false
}

// isAlone reports whether v is one quoted string, or one word without anything that stands between parameters.
func isAlone(v []byte) bool {
	if len(v) == 0 || v[0] != '"' {
		return !bytes.ContainsAny(v, "\",;= \t\r\n")
	}
	return syntax.QuotedLength(v) == len(v)
}
