package ledger

import "testing"

func TestSinceIsWhatChanged(t *testing.T) {
	before, now := New(), New()
	before.Packets.Seen, now.Packets.Seen = 5, 12
	before.Calls.Live, now.Calls.Live = 7, 3
	before.Messages.Requests["INVITE"], now.Messages.Requests["INVITE"] = 4, 4
	now.Messages.Requests["BYE"] = 2
	now.Options["carrier"] = Options{Asked: 1, Max: 9, Within: Sums{"10": 1}}
	now.Bus.Published, now.Ops.Made, now.Store["billing"] = 9, 9, Store{Kept: 1}
	got, err := now.Since(before)
	want := `{"calls":{"live":-4},"messages":{"requests":{"BYE":2}},` +
		`"options":{"carrier":{"asked":1,"max_us":9,"within_us":{"10":1}}},"packets":{"seen":7}}`
	if err != nil || string(got) != want {
		t.Errorf("since = %s, %v\nwant %s", got, err, want)
	}
	if got, err := now.Since(now); err != nil || string(got) != "{}" {
		t.Errorf("since now = %s, %v, want nothing", got, err)
	}
}
