package sip

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"

	sipgo "github.com/emiago/sipgo/sip"
)

// Why an address could not be read. The errors say no more: sipgo's own quote what they read.
var (
	ErrAddressLimit = errors.New("sip: address: over the limit of bytes or parameters")
	ErrAddress      = errors.New("sip: address: not readable")
	ErrScheme       = errors.New("sip: address: neither sip, sips, tel nor urn")
)

// Limits of a value that is given to sipgo, whose cost grows with the square of the parameters.
const (
	maxAddress = 2048 // bytes
	maxParams  = 64
)

// ParseAddress reads one value of From, To, Contact and their like: RFC 3261 section 20.10. The value is unfolded.
// The user stays as sent, escapes and all; for tel it is the number, for urn what follows the scheme. A password
// and a display name are not kept. The error is ErrAddressLimit, ErrAddress or ErrScheme.
func ParseAddress(value []byte) (Address, error) {
	return guarded(value, func(s string) (a Address, err error) {
		var uri sipgo.Uri
		var params sipgo.HeaderParams
		name, err := sipgo.ParseAddressValue(s, &uri, &params)
		if err != nil {
			return a, ErrAddress
		}
		if a, err = address(&uri); err != nil {
			return a, err
		}
		a.Name = name != ""
		a.Params = appendParams(a.Params, params)
		return a, nil
	})
}

// ParseURI reads a URI, as it stands in a request line, under the rules of ParseAddress.
func ParseURI(value []byte) (Address, error) {
	return guarded(value, func(s string) (Address, error) {
		var uri sipgo.Uri
		if err := sipgo.ParseUri(strings.Trim(s, "<>"), &uri); err != nil {
			return Address{}, ErrAddress
		}
		return address(&uri)
	})
}

// guarded calls read with value, if that is within the limits, and takes a panic for what cannot be read.
func guarded(value []byte, read func(string) (Address, error)) (a Address, err error) {
	if len(value) > maxAddress || bytes.Count(value, []byte{';'})+bytes.Count(value, []byte{'&'}) > maxParams {
		return Address{}, ErrAddressLimit
	}
	defer func() {
		if recover() != nil {
			a, err = Address{}, ErrAddress
		}
	}()
	return read(string(bytes.TrimSpace(value)))
}

// address takes what may be kept of uri.
func address(uri *sipgo.Uri) (Address, error) {
	a := Address{Scheme: uri.Scheme, User: uri.User, Port: uri.Port}
	switch uri.Scheme {
	case "sip", "sips":
		a.Params = appendParams(nil, uri.UriParams)
		a.Host = strings.TrimSuffix(strings.TrimPrefix(uri.Host, "["), "]")
		a.Addr, _ = netip.ParseAddr(a.Host)
		if a.Host == "" || a.Port < 0 || a.Port > 65535 {
			return Address{}, ErrAddress
		}
	case "tel":
		number, params, _ := strings.Cut(uri.Raw(), ";")
		a.User, a.Params = number, telParams(params)
	case "urn":
		a.User = uri.Raw()
	case "":
		if !uri.Wildcard {
			return Address{}, ErrAddress
		}
		a.Host = "*" // every binding, RFC 3261 section 10.2.2
	default:
		return Address{}, ErrScheme
	}
	return a, nil
}

func appendParams(dst []Param, params sipgo.HeaderParams) []Param {
	for _, p := range params {
		dst = append(dst, Param{Key: strings.ToLower(p.K), Value: p.V})
	}
	return dst
}

// telParams reads the parameters of a tel URI, RFC 3966 section 3.
func telParams(s string) (ps []Param) {
	for s != "" {
		var one string
		one, s, _ = strings.Cut(s, ";")
		key, value, _ := strings.Cut(one, "=")
		if key = strings.TrimSpace(key); key != "" {
			ps = append(ps, Param{Key: strings.ToLower(key), Value: strings.TrimSpace(value)})
		}
	}
	return ps
}
