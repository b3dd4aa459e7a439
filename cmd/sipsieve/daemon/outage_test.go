package daemon

import (
	"testing"
	"time"

	"sipsieve/cmd/sipsieve/config"
)

// TestAnOutageIsReckonedByDiskPurposesAndRate has the shipped policy: of billing (priority 1), fraud (two excerpts a call)
// and the others, fraud has the least room for what it makes.
func TestAnOutageIsReckonedByDiskPurposesAndRate(t *testing.T) {
	s := demoSetup(t, "")
	if _, ok := ShortestOutage(s); ok {
		t.Error("a host without a hub has an outage")
	}
	s.Hub, s.Source = &config.Hub{URL: "nats://a"}, []config.Source{{Type: "interface", Interface: "eth0"}}
	s.Bus = &config.Bus{Disk: "9GiB", Rate: 10}
	// Shares: billing 1, fraud, network_ops and emergency 1/5 each.
	want := time.Duration(9<<30/8/(10*2*excerptBytes)) * time.Second
	o, ok := ShortestOutage(s)
	if !ok || o.Purpose != "fraud" || (o.Lasts-want).Abs() > time.Second {
		t.Errorf("outage = %+v, want fraud after %v", o, want)
	}
	s.Bus.Disk, s.Bus.Rate = "9TiB", 1 // more than may be kept
	if o, _ := ShortestOutage(s); o.Lasts != 72*time.Hour {
		t.Errorf("outage = %+v, want the 72 hours of bus_retain", o)
	}
	s.Bus.Disk, s.Bus.Rate = "9GiB", 100
	o, _ = ShortestOutage(s)
	s.Bus.Disk = ""
	plan := spoolPlan(s)
	plan.DiskLimit = o.Disk
	if lasts := time.Duration(plan.Room("fraud")/(100*2*excerptBytes)) * time.Second; (lasts - 24*time.Hour).Abs() > time.Minute {
		t.Errorf("with the disk for a day it lasts %v", lasts)
	}
}
