package sip

import (
	"bytes"
	"errors"

	sipgo "github.com/emiago/sipgo/sip"
)

// errOpaque is returned for an address or URI that cannot be read. It replaces the errors of sipgo, which quote it.
var errOpaque = errors.New("sip: an address that cannot be read")

// Limits of a value that sipgo reads, in bytes and in parameters: its time grows with the square of the latter.
const (
	maxAddress = 2048
	maxParams  = 64
)

// An Address is what sipgo makes of From, To, Contact and their like (RFC 3261 section 20.10), or of a URI alone.
// A display name is not kept.
type Address struct {
	Scheme     string // lower case
	User, Host string // User of a tel URI is its number (RFC 3966)
	Port       int    // 0 without one
	Name       bool   // it has a display name
}

// ParseAddress reads a name-addr or addr-spec with its parameters. An error quotes nothing.
func ParseAddress(value []byte) (a Address, err error) {
	return parse(value, func(text string, uri *sipgo.Uri) (bool, error) {
		var params sipgo.HeaderParams
		name, err := sipgo.ParseAddressValue(text, uri, &params)
		return name != "", err
	})
}

// ParseURI reads a URI, such as that of a request. An error quotes nothing.
func ParseURI(value []byte) (a Address, err error) {
	return parse(value, func(text string, uri *sipgo.Uri) (bool, error) { return false, sipgo.ParseUri(text, uri) })
}

func parse(value []byte, read func(string, *sipgo.Uri) (bool, error)) (a Address, err error) {
	if len(value) > maxAddress || bytes.Count(value, []byte{';'})+bytes.Count(value, []byte{'&'}) > maxParams {
		return a, errOpaque
	}
	defer func() {
		if recover() != nil {
			a, err = Address{}, errOpaque
		}
	}()
	var uri sipgo.Uri
	named, err := read(string(value), &uri)
	if err != nil {
		return a, errOpaque
	}
	a = Address{Scheme: sipgo.ASCIIToLower(uri.Scheme), User: uri.User, Host: uri.Host, Port: uri.Port, Name: named}
	if a.Scheme == "tel" {
		a.User, a.Host = uri.Raw(), ""
	}
	return a, nil
}
