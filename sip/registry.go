package sip

import (
	"strings"

	"sipsieve/sip/syntax"
)

// registry is the names of the IANA registry "Session Initiation Protocol (SIP) Parameters", Header Fields, as of 2026,
// and Remote-Party-ID, which is in use without being in it.
const registry = `Accept Accept-Contact Accept-Encoding Accept-Language Accept-Resource-Priority Additional-Identity Alert-Info
Allow Allow-Events Answer-Mode Attestation-Info Authentication-Info Authorization Call-ID Call-Info Cellular-Network-Info
Contact Content-Disposition Content-Encoding Content-ID Content-Language Content-Length Content-Type CSeq Date DC-Info
Diversion Encryption Error-Info Event Expires Feature-Caps Flow-Timer From Geolocation Geolocation-Error
Geolocation-Routing Hide History-Info Identity Identity-Info In-Reply-To Info-Package Join Max-Breadth Max-Forwards
MIME-Version Min-Expires Min-SE Organization Origination-Id P-Access-Network-Info P-Answer-State P-Asserted-Identity
P-Asserted-Service P-Associated-URI P-Called-Party-ID P-Charge-Info P-Charging-Function-Addresses P-Charging-Vector
P-DCS-Billing-Info P-DCS-LAES P-DCS-OSPS P-DCS-Redirect P-DCS-Trace-Party-ID P-Early-Media P-Media-Authorization
P-Preferred-Identity P-Preferred-Service P-Private-Network-Indication P-Profile-Key P-Refused-URI-List P-Served-User
P-User-Database P-Visited-Network-ID Path Permission-Missing Policy-Contact Policy-ID Priority Priority-Share
Priority-Verstat Priv-Answer-Mode Privacy Proxy-Authenticate Proxy-Authorization Proxy-Require RAck Reason Record-Route
Recv-Info Refer-Events-At Refer-Sub Refer-To Referred-By Reject-Contact Relayed-Charge Remote-Party-ID Replaces Reply-To
Request-Disposition Require Resource-Priority Resource-Share Response-Key Response-Source Restoration-Info Retry-After
Route RSeq Security-Client Security-Server Security-Verify Server Service-Interact-Info Service-Route Session-Expires
Session-ID SIP-ETag SIP-If-Match Subject Subscription-State Supported Suppress-If-Match Target-Dialog Timestamp To
Trigger-Consent Unsupported User-Agent User-to-User Via Warning WWW-Authenticate`

// compactForms are those of headers that no Selection can name; the others' stand in headers.
var compactForms = map[string]string{"a": "Accept-Contact", "d": "Request-Disposition", "e": "Content-Encoding",
	"j": "Reject-Contact", "n": "Identity-Info", "s": "Subject"}

// registered has the registry's spelling of a header by its name in lower case, and by its compact form.
var registered = func() map[string]string {
	all := map[string]string{}
	for _, name := range strings.Fields(registry) {
		all[strings.ToLower(name)] = name
	}
	for _, row := range headers {
		if row.compact != "" {
			all[row.compact] = all[row.name]
		}
	}
	for short, name := range compactForms {
		all[short] = name
	}
	return all
}()

// HeaderNames calls each with every header line of the message: the name as the IANA registry spells it, "" if it is not
// in the registry, and the Header, 0 if no Selection can name it. A name that is not in the registry may be of a person,
// so it is not passed on.
func (m *Message) HeaderNames(each func(name string, h Header)) {
	start, ok := syntax.ReadStartLine(m.Text)
	if !ok {
		return
	}
	for i := start.Next; i < len(m.Text) && syntax.LineBreak(m.Text[i:]) == 0; {
		l := syntax.LineAt(m.Text, i)
		line := m.Text[l.From:l.To]
		for colon, c := range line {
			if c == ':' {
				name := syntax.Trim(line, syntax.Range{To: colon})
				key := line[name.From:name.To]
				each(registered[strings.ToLower(string(key))], names.entries[names.entry(key)].header)
				break
			}
		}
		i = l.Next
	}
}
