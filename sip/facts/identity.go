package facts

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"sipsieve/sip/syntax"
)

// maxToken bounds the payload of a PASSporT, in bytes of base64url.
const maxToken = 4096

// readIdentity adds what an Identity header claims (RFC 8224, RFC 8588). The token is not verified, nothing is fetched
// and none of it is kept. Only the PASSporT that attests a caller is read: not one that forwards another's claim
// (ppt=div, RFC 8946), nor one of priority (RFC 8443), nor one that is too long.
func readIdentity(g *Gather, v []byte) {
	token, _, _ := bytes.Cut(v, []byte(";"))
	head, rest, _ := bytes.Cut(bytes.TrimSpace(token), []byte("."))
	body, _, _ := bytes.Cut(rest, []byte("."))
	if len(body) > maxToken || len(head) > maxToken || g.facts.First(Attestation) != nil {
		return
	}
	var header struct{ Ppt, X5u string }
	known := decoded(head, &header)
	if ppt, ok := syntax.Param(v, "ppt"); ok {
		header.Ppt = string(bytes.Trim(ppt, `"`))
	}
	if header.Ppt != "" && header.Ppt != "shaken" {
		return
	}
	var claims struct {
		Attest, Origid string
		Iat            int64
	}
	if !known || !decoded(body, &claims) || claims.Attest != "A" && claims.Attest != "B" && claims.Attest != "C" {
		g.addFlag(UnreadIdentity)
		return
	}
	g.Add(Attestation, []byte(claims.Attest))
	if id := strings.ToLower(claims.Origid); syntax.IsUUID(id) { // RFC 8588 section 5
		g.Add(OriginationID, []byte(id))
	}
	if claims.Iat > 0 {
		g.Add(IssuedAt, strconv.AppendInt(nil, claims.Iat, 10))
	}
	readCertificate(g, header.X5u)
}

// decoded reports whether text is the base64url of a JSON object, and reads it into out.
func decoded(text []byte, out any) bool {
	plain, err := base64.RawURLEncoding.AppendDecode(nil, bytes.TrimRight(text, "="))
	return err == nil && json.Unmarshal(plain, out) == nil
}

// readCertificate adds the host of x5u (RFC 8225 section 4); path and query are not read.
func readCertificate(g *Gather, x5u string) {
	if u, err := url.Parse(x5u); err == nil && hostName(u.Hostname()) {
		g.Add(CertificateHost, []byte(u.Hostname()))
	}
}

// hostName reports whether name can be that of a host (RFC 1123 section 2.1).
func hostName(name string) bool {
	for i := range len(name) {
		if c := syntax.Lower(name[i]); c != '-' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return len(name) > 0 && len(name) <= 253
}
