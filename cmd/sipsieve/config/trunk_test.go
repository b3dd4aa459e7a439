package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func loadText(t *testing.T, text string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sipsieve.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path)
}

func TestEveryMistakeInATrunkIsToldAtItsLine(t *testing.T) {
	_, err := loadText(t, `[calls]
emergency = ["110", "+13035550101"]
[[trunk]]
name = "Alice Example"
addresses = ["10.0.0.0/33"]
vlans = [0]
direction = "sideways"
region = "usa"
link_header = "X CID:"
colour = "blue"
[[trunk]]
name = "b"
`)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{":2: calls.emergency:", ":4: trunk.0.name:", ":5: trunk.0.addresses:",
		":6: trunk.0.vlans:", ":7: trunk.0.direction:", ":8: trunk.0.region:", ":9: trunk.0.link_header:",
		"colour: unknown key", "trunk.1.addresses:", "trunk.1.direction:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not told in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "Alice") || strings.Contains(err.Error(), "3035550101") {
		t.Errorf("a value is quoted: %v", err)
	}
}

func TestTrunksOfOnePlaceAreRefused(t *testing.T) {
	const one = "[[trunk]]\nname = \"NAME\"\ndirection = \"inbound\"\naddresses = [\"203.0.113.5\"]\n"
	_, err := loadText(t, strings.Replace(one, "NAME", "a", 1)+strings.Replace(one, "NAME", "b", 1))
	if err == nil || !strings.Contains(err.Error(), "trunk a and trunk b") {
		t.Errorf("err = %v", err)
	}
	named := strings.Replace(one, "NAME", "a", 1)
	_, err = loadText(t, named+strings.Replace(named, "113.5", "113.6", 1))
	if err == nil || !strings.Contains(err.Error(), "trunk.1.name: stands twice") {
		t.Errorf("two trunks of one name: err = %v", err)
	}
}

func TestTrunksAreReadAsTheyAreWritten(t *testing.T) {
	c, err := loadText(t, `[calls]
emergency = ["110"]
[[trunk]]
name = "acme-pbx"
account = "acme"
addresses = ["203.0.113.5", "2001:db8::/48"]
vlans = [7]
direction = "outbound"
region = "GB"
trust = true
privacy = true
link_header = "X-CID"
`+tap)
	if err != nil {
		t.Fatal(err)
	}
	u := c.Trunk[0].resolved()
	if u.Name != "acme-pbx" || u.Account != "acme" || len(u.Addresses) != 2 || u.Addresses[0].Bits() != 32 ||
		u.VLANs[0] != 7 || !u.Trusted || !u.Private || u.Region != "GB" {
		t.Errorf("trunk = %+v", u)
	}
	c.Keys.Demo = true
	s, err := Resolve(c)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.linkHeaders(); !slices.Equal(got, []string{"x-cid"}) {
		t.Errorf("link headers = %v", got)
	}
}
