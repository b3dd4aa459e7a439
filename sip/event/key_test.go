package event

import "testing"

func TestRegisterIsShardedByAddressOfRecord(t *testing.T) {
	keyer := NewKeyer([16]byte{1, 2, 3})
	for _, to := range []string{
		`"A > B" <sip:+13035550110@Example.NET:5060;user=phone>;tag=1`, "<sip:+13035550110@example.net>",
		"sip:+13035550110@example.net;tag=9", "sips:+13035550110@EXAMPLE.net",
	} {
		if got := keyer.addressOfRecord([]byte(to)); got != keyer.addressOfRecord([]byte("<sip:+13035550110@example.net>")) {
			t.Errorf("%s has another shard", to)
		}
	}
	if keyer.addressOfRecord([]byte("<sip:a@example.net>")) == keyer.addressOfRecord([]byte("<sip:b@example.net>")) {
		t.Error("two users have one shard")
	}
}
