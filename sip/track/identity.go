package track

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
)

// mostToken bounds the payload of a PASSporT, in bytes of base64url.
const mostToken = 4096

// identity appends what an Identity header claims (RFC 8224, RFC 8588). The token is not verified and not kept;
// one that forwards another's claim (ppt=div, RFC 8946) is not read, nor is one that is too long.
func (fs *Facts) identity(v []byte) {
	token, params, _ := bytes.Cut(v, []byte(";"))
	if bytes.Contains(bytes.ToLower(params), []byte("ppt=div")) || bytes.Contains(params, []byte(`ppt="div"`)) {
		return
	}
	head, rest, _ := bytes.Cut(bytes.TrimSpace(token), []byte("."))
	body, _, _ := bytes.Cut(rest, []byte("."))
	if len(body) > mostToken || len(head) > mostToken || fs.First(Attestation) != nil {
		return
	}
	var claims struct {
		Attest string `json:"attest"`
		Origid string `json:"origid"`
		Iat    int64  `json:"iat"`
	}
	text, err := base64.RawURLEncoding.DecodeString(string(bytes.TrimRight(body, "=")))
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	if err != nil || claims.Attest != "A" && claims.Attest != "B" && claims.Attest != "C" {
		fs.append(Attestation, []byte("invalid"))
		return
	}
	fs.append(Attestation, []byte(claims.Attest))
	fs.append(OriginationID, []byte(claims.Origid))
	if claims.Iat > 0 {
		fs.append(IssuedAt, strconv.AppendInt(nil, claims.Iat, 10))
	}
	fs.certificate(head)
}

// certificate appends the host of x5u (RFC 8225 section 4); path and query are not read.
func (fs *Facts) certificate(head []byte) {
	var header struct {
		X5u string `json:"x5u"`
	}
	text, err := base64.RawURLEncoding.DecodeString(string(bytes.TrimRight(head, "=")))
	if err != nil || json.Unmarshal(text, &header) != nil {
		return
	}
	if u, err := url.Parse(header.X5u); err == nil {
		fs.append(CertificateHost, []byte(u.Hostname()))
	}
}
