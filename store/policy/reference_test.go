package policy

import (
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/store/cpni"
)

// references are what each transform leaves of a value, worked out in another way than by the package: of a text, or of a
// number or time as text. Those of numbers (area, country, category), of devices (family) and of keys (pseudonym) are
// compared with other sources where their tables and keys are: sip/phone, sip/useragent, store/vault.
var references = map[string]func(arg, value string) string{
	"presence": func(_, value string) string { return fmt.Sprint(value != "") },
	"truncate": func(unit, value string) string {
		if strings.Contains(value, "T") { // RFC 3339 is cut as text
			n := map[string]int{"second": 19, "minute": 16, "hour": 13, "day": 10, "month": 7}[unit]
			return `"` + value[:n] + "0000-01-01T00:00:00Z"[n:] + `"`
		}
		return multiple(value, map[string]string{"second": "1000", "minute": "60000", "hour": "3600000", "day": "86400000",
			"month": "2592000000"}[unit])
	},
	"bucket": func(width, value string) string {
		if d, err := time.ParseDuration(width); err == nil {
			width = fmt.Sprint(d.Milliseconds())
		}
		return multiple(value, width)
	},
	"ip_prefix": func(bits, value string) string {
		var v4, v6 int
		if ip := net.ParseIP(value); ip != nil {
			_, _ = fmt.Sscanf(bits, "%d,%d", &v4, &v6)
			mask := net.CIDRMask(v6, 128)
			if four := ip.To4(); four != nil {
				ip, mask = four, net.CIDRMask(v4, 32)
			}
			ones, _ := mask.Size()
			return fmt.Sprintf(`"%s/%d"`, ip.Mask(mask), ones)
		}
		return "null"
	},
	"known": func(_, value string) string {
		for _, word := range []string{"PCMU", "upstream-a"} {
			if strings.EqualFold(word, value) {
				return `"` + word + `"`
			}
		}
		return `"other"`
	},
	"oui": func(_, value string) string {
		mac, err := net.ParseMAC(value)
		switch {
		case err != nil:
			return "null"
		case mac[0]/2%2 == 1:
			return `"private"`
		}
		return `"` + mac.String()[:8] + `"`
	},
}

// multiple returns the largest multiple of width that is not over value.
func multiple(value, width string) string {
	n, _ := new(big.Int).SetString(value, 10)
	w, _ := new(big.Int).SetString(width, 10)
	return new(big.Int).Mul(new(big.Int).Div(n, w), w).String()
}

// TestTransformsAreThoseOfTheirReferences compares random values after random transforms.
func TestTransformsAreThoseOfTheirReferences(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 3))
	tried := map[string]int{}
	for range 400 {
		setup := time.UnixMicro(rnd.Int64N(4e15)).UTC()
		answer := setup.Add(time.Duration(rnd.Int64N(100_000)) * time.Millisecond)
		talk := time.Duration(rnd.Int64N(1<<rnd.IntN(33)+1)) * time.Millisecond
		src := netip.AddrFrom4([4]byte{byte(1 + rnd.IntN(200)), byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.Uint32())})
		if rnd.IntN(2) == 0 {
			var b [16]byte
			for i := range b {
				b[i] = byte(rnd.Uint32())
			}
			b[0] = 0x20
			src = netip.AddrFrom16(b)
		}
		ioi := []string{"UPSTREAM-A", "upstream-b", "Pcmu", "x"}[rnd.IntN(4)]
		link := [6]byte{byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.Uint32()), 1, 2, byte(1 + rnd.IntN(255))}
		c := &event.Call{FirstSeen: setup, Setup: setup, Answer: answer, End: answer.Add(talk), Disposition: event.Answered,
			Code: 200, EndSource: event.Observed, Status: event.Complete, Flow: capture.Flow{Src: netip.AddrPortFrom(src, 5060)}, Link: link}
		for f := range facts.Count {
			c.Facts.Append(f, []byte(map[facts.Fact]string{facts.ChargingOperator: ioi, facts.CallerName: "Ada"}[f]))
		}
		r, _ := cpni.NewReader("US").Record(&event.Event{Time: setup, Kind: event.CallKind, Stage: event.Stop, Revision: 1, Call: c})
		values := map[string]string{"setup_time": setup.Format("2006-01-02T15:04:05.000000Z"), "duration_ms": fmt.Sprint(talk.Milliseconds()),
			"source_address": src.String(), "charging_vector_ioi": ioi, "link_address": net.HardwareAddr(link[:]).String(), "caller_name": "Ada",
			"sip_code": "200"}
		forms := map[string]string{"setup_time": "truncate:" + units[rnd.IntN(5)], "source_address": fmt.Sprintf("ip_prefix:%d,%d", rnd.IntN(25), rnd.IntN(49)),
			"duration_ms": []string{"truncate:" + units[rnd.IntN(5)], fmt.Sprintf("bucket:%dms", 1+rnd.IntN(100_000))}[rnd.IntN(2)],
			"sip_code":    fmt.Sprintf("bucket:%d", 1+rnd.IntN(300)), "link_address": "oui", "caller_name": "presence", "charging_vector_ioi": "known"}
		lines := ""
		for field, form := range forms {
			list := map[bool]string{true: `list = "words", `}[form == "known"]
			lines += fmt.Sprintf("%s = { form = %q, %sbecause = \"t\" }\n", field, form, list)
		}
		x, _ := boundPurpose(t, written("fraud", lines)).Minimise(nil, &r)
		var body map[string]json.RawMessage
		if err := json.Unmarshal(x.Body(), &body); err != nil {
			t.Fatal(err)
		}
		for field, form := range forms {
			name, arg, _ := strings.Cut(form, ":")
			tried[name]++
			if want := references[name](arg, values[field]); string(body[field]) != want {
				t.Errorf("%s of %s as %s = %s, want %s", field, values[field], form, body[field], want)
			}
		}
	}
	for name := range references {
		if tried[name] < 100 {
			t.Errorf("%s was tried %d times", name, tried[name])
		}
	}
}

// TestEveryTransformStatesWhatRemains: no transform that leaves a part of a value that identifies says that none remains.
func TestEveryTransformStatesWhatRemains(t *testing.T) {
	for _, name := range actionNames {
		x, ok := cpni.TransformOf(name)
		if !ok || !slices.Contains([]string{"same", "direct", "indirect", "none"}, x.Residual) || x.Meaning == "" {
			t.Errorf("%s: residual %q", name, x.Residual)
		}
	}
	for f := range cpni.Field(cpni.Fields()) {
		if e := f.Entry(); (e.Type == "duration" || e.Type == "time") && e.Identifiability == "none" {
			t.Errorf("%s is a %s and is said to identify nobody", e.Name, e.Type)
		}
	}
}
