package scrub

import (
	"bytes"
	"encoding/base64"
)

// passports scrubs PASSporTs (RFC 8225), values of Identity.
type passports struct{ values }

// scrub scrubs the two JSON parts inside their encoding, so that the attestation stays, and the signature as text.
func (p passports) scrub(out, in []byte) {
	i := len(in) - len(bytes.TrimLeft(in, " \t"))
	copy(out, in[:i])
	end := until(in, i, "; \t\r\n")
	parts := bytes.Split(in[i:end], []byte("."))
	for n, part := range parts {
		if len(parts) != 3 || n == 2 || !p.encoded(out[i:i+len(part)], part) {
			p.stretch(out[i:i+len(part)], part, nothing)
		}
		if i += len(part); n < len(parts)-1 {
			out[i] = '.'
			i++
		}
	}
	p.value(out[end:], in[end:], nothing)
}

// claims are the words of a PASSporT's JSON that stay.
var claims = setOf(`attest a b c dest tn uri orig origid iat alg es256 ppt shaken typ passport x5u div opt rph rcd nam`)

// encoded scrubs a part of JSON in base64url, and reports whether in was one.
func (p passports) encoded(out, in []byte) bool {
	plain, err := base64.RawURLEncoding.DecodeString(string(in))
	if err != nil || len(plain) == 0 || plain[0] != '{' {
		return false
	}
	changed := bytes.Clone(plain)
	for i := 0; i < len(plain); {
		j := i
		for j < len(plain) && isUnit(plain[j]) {
			j++
		}
		switch {
		case j == i:
			i++
			continue
		case !claims[string(lower(plain[i:j]))]:
			p.text(changed[i:j], plain[i:j])
		}
		i = j
	}
	base64.RawURLEncoding.Encode(out, changed)
	return true
}
