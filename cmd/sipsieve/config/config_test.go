package config

import "testing"

func TestAnHTTPAddressThatIsNotLoopbackIsRefused(t *testing.T) {
	for text, ok := range map[string]bool{
		"listen = \"127.0.0.1:9470\"":                           true,
		"listen = \"[::1]:9470\"":                               true,
		"listen = \"localhost:9470\"":                           true,
		"listen = \"\"":                                         true,
		"listen = \":9470\"":                                    false,
		"listen = \"0.0.0.0:9470\"":                             false,
		"listen = \"192.0.2.1:9470\"":                           false,
		"listen = \"192.0.2.1:9470\"\nallow_remote = true":      true,
		"listen = \"[2001:db8::1]:9470\"\nallow_remote = false": false,
	} {
		_, err := loadText(t, "[http]\n"+text+"\n"+tap)
		if (err == nil) != ok {
			t.Errorf("%q: err = %v, want none: %t", text, err, ok)
		}
	}
}
