package sip

import (
	"bytes"
	"errors"

	sipgo "github.com/emiago/sipgo/sip"
)

// ErrOpaque says that an address or URI cannot be read. sipgo's own errors quote what they read: they end here.
var ErrOpaque = errors.New("sip: an address that cannot be read")

// Limits of a value that sipgo is given, in bytes and in parameters: its cost grows with the square of the latter.
const (
	maxAddress = 2048
	maxParams  = 64
)

// An Address is what sipgo makes of From, To, Contact and their like (RFC 3261 section 20.10), or of a URI alone.
// A display name is not kept.
type Address struct {
	Scheme     string // lower case
	User, Host string // User of a tel URI is its number (RFC 3966)
	Port       int    // 0 when it is not told
	Name       bool   // a display name stood there
}

// ParseAddress reads a name-addr or addr-spec with its parameters. The error is ErrOpaque.
func ParseAddress(value []byte) (a Address, err error) {
	return parse(value, func(text string, uri *sipgo.Uri) (bool, error) {
		var params sipgo.HeaderParams
		name, err := sipgo.ParseAddressValue(text, uri, &params)
		return name != "", err
	})
}

// ParseURI reads a URI, such as that of a request. The error is ErrOpaque.
func ParseURI(value []byte) (a Address, err error) {
	return parse(value, func(text string, uri *sipgo.Uri) (bool, error) { return false, sipgo.ParseUri(text, uri) })
}

func parse(value []byte, read func(string, *sipgo.Uri) (bool, error)) (a Address, err error) {
	if len(value) > maxAddress || bytes.Count(value, []byte{';'})+bytes.Count(value, []byte{'&'}) > maxParams {
		return a, ErrOpaque
	}
	defer func() {
		if recover() != nil {
			a, err = Address{}, ErrOpaque
		}
	}()
	var uri sipgo.Uri
	named, err := read(string(value), &uri)
	if err != nil {
		return a, ErrOpaque
	}
	a = Address{Scheme: sipgo.ASCIIToLower(uri.Scheme), User: uri.User, Host: uri.Host, Port: uri.Port, Name: named}
	if a.Scheme == "tel" {
		a.User, a.Host = uri.Raw(), ""
	}
	return a, nil
}
