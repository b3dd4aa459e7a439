package storetest

import "testing"

// TestAScaleIsAsItSays counts what its comment says.
func TestAScaleIsAsItSays(t *testing.T) {
	t.Parallel()
	const total = 100_000
	ids, accounts, callIDs := map[string]bool{}, map[string]int{}, map[string]int{}
	last := Scale(total).Call(0)
	for n := range total {
		c := Scale(total).Call(n)
		ids[c.ID], accounts[c.Account], callIDs[c.CallID] = true, accounts[c.Account]+1, callIDs[c.CallID]+1
		if c.Setup.Before(last.Setup) || c.Setup.After(scaleStart.AddDate(0, 0, scaleDays)) {
			t.Fatalf("call %d: setup at %v, after one at %v", n, c.Setup, last.Setup)
		}
		last = c
	}
	if len(ids) != total || len(callIDs) != total-total/50 || accounts[largeAccount] < total/5-1000 || accounts[largeAccount] > total/5+1000 ||
		len(accounts) < 30_000 || accounts[""] < total/10-1000 {
		t.Errorf("ids = %d, call_ids = %d, of the large account %d, accounts %d, without one %d", len(ids), len(callIDs),
			accounts[largeAccount], len(accounts), accounts[""])
	}
	for _, q := range Scale(total).Queries() {
		if q.Rows == 0 && q.Account != "nobody" && q.Kind != "device" && q.Disposition != "redirected" && q.Account != "account77" {
			t.Errorf("%s: no rows", q.Name)
		}
	}
}
