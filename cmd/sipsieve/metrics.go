package main

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics shows the ledger to Prometheus. Its labels are closed sets; nothing of a person is in any of them.
type metrics struct{ d *daemon }

func counter(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("sipsieve_"+name, help, labels, nil)
}

var (
	metricPackets   = counter("packets_seen_total", "Frames read.")
	metricKernel    = counter("packets_kernel_dropped_total", "Frames that the kernel had no room for.")
	metricRefused   = counter("packets_refused_total", "Frames and segments that went no further.", "reason")
	metricRequests  = counter("requests_total", "SIP requests seen.", "method")
	metricStatuses  = counter("responses_total", "SIP responses seen.", "status")
	metricFate      = counter("messages_total", "SIP messages by what became of them.", "fate")
	metricMessages  = counter("messages_refused_total", "SIP messages with a start line that were not used.", "reason")
	metricRepeats   = counter("retransmissions_total", "SIP messages that repeated an earlier one.")
	metricOpened    = counter("calls_opened_total", "Calls opened.")
	metricEnded     = counter("calls_ended_total", "Calls ended.", "disposition")
	metricLive      = counter("calls_live", "Calls live now.")
	metricEvicted   = counter("calls_evicted_total", "Calls that went because there were too many.")
	metricLegs      = counter("legs_remembered", "Calls remembered for joining legs.")
	metricJoined    = counter("legs_joined_total", "Joins of legs.", "correlation")
	metricUnjoined  = counter("legs_unjoined_total", "Evidence of legs that joined nothing.", "reason")
	metricOrphans   = counter("orphans_total", "Messages of no known call.")
	metricBindings  = counter("registrations_total", "Changes of registrations.", "event")
	metricMade      = counter("excerpts_made_total", "Excerpts made.", "purpose")
	metricAcked     = counter("excerpts_acknowledged_total", "Excerpts durable on the bus.", "purpose")
	metricPending   = counter("excerpts_pending", "Excerpts on their way to the bus.", "purpose")
	metricSuppress  = counter("excerpts_suppressed_total", "Excerpts made and not put.", "purpose", "reason")
	metricForgotten = counter("records_forgotten_total", "Rows that the sweep forgot.")
	metricReading   = counter("sources_reading", "Domains of sources that have not ended.")
)

// Describe implements prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{metricPackets, metricKernel, metricRefused, metricRequests, metricStatuses,
		metricFate, metricMessages, metricRepeats, metricOpened, metricEnded, metricLive, metricEvicted, metricOrphans,
		metricLegs, metricJoined, metricUnjoined,
		metricBindings, metricMade, metricAcked, metricPending, metricSuppress, metricForgotten, metricReading} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	l := m.d.ledger()
	one := func(d *prometheus.Desc, kind prometheus.ValueType, n uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, float64(n), labels...)
	}
	each := func(d *prometheus.Desc, in map[string]uint64) {
		for label, n := range in {
			one(d, prometheus.CounterValue, n, label)
		}
	}
	one(metricPackets, prometheus.CounterValue, l.Packets.Seen)
	one(metricKernel, prometheus.CounterValue, l.Packets.KernelDropped)
	each(metricRefused, l.Packets.Refused)
	each(metricRequests, l.Messages.Requests)
	each(metricStatuses, l.Messages.Statuses)
	each(metricFate, map[string]uint64{"tracked": l.Messages.Tracked, "duplicate": l.Messages.Duplicates,
		"dropped": l.Messages.Dropped, "refused": l.Messages.Refused.total()})
	each(metricMessages, l.Messages.Refused)
	one(metricRepeats, prometheus.CounterValue, l.Messages.Retransmissions)
	one(metricOpened, prometheus.CounterValue, l.Calls.Opened)
	each(metricEnded, l.Calls.Ended)
	one(metricLive, prometheus.GaugeValue, l.Calls.Live)
	one(metricEvicted, prometheus.CounterValue, l.Calls.Evicted)
	one(metricLegs, prometheus.GaugeValue, l.Legs.Remembered)
	each(metricJoined, l.Legs.Joined)
	each(metricUnjoined, map[string]uint64{"ambiguous": l.Legs.Ambiguous, "shared": l.Legs.Shared, "full": l.Legs.Full,
		"forgotten": l.Legs.Forgotten})
	one(metricOrphans, prometheus.CounterValue, l.Calls.Orphans)
	each(metricBindings, l.Registrations)
	for purpose, x := range l.Excerpts {
		one(metricMade, prometheus.CounterValue, x.Made, purpose)
		one(metricAcked, prometheus.CounterValue, x.Acknowledged, purpose)
		one(metricPending, prometheus.GaugeValue, x.Pending, purpose)
		for reason, n := range x.Suppressed {
			one(metricSuppress, prometheus.CounterValue, n, purpose, reason)
		}
	}
	one(metricForgotten, prometheus.CounterValue, m.d.swept.Load())
	one(metricReading, prometheus.GaugeValue, uint64(max(0, m.d.reading.Load())))
}
