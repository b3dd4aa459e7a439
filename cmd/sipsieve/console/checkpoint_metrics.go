package console

import (
	"github.com/prometheus/client_golang/prometheus"
)

// checkpointMetrics shows checkpoint logs to Prometheus.
type checkpointMetrics struct{ d *Console }

var (
	metricCheckpointCalls    = desc("checkpoint_calls", "Open calls that the checkpoint logs hold.", "")
	metricCheckpointBytes    = desc("checkpoint_bytes", "Size of the checkpoint logs.", "")
	metricCheckpointRestored = desc("checkpoint_restored_total", "Calls that were restored at the start.", "")
	metricCheckpointRefused  = desc("checkpoint_refused_total", "Checkpoint logs and calls that could not be restored.", "")
	metricCheckpointBroken   = desc("checkpoint_broken_total", "Checkpoint logs that were not whole.", "")
	metricCheckpointFailed   = desc("checkpoint_failed_total", "Writes to checkpoint logs that failed.", "")
)

// Describe implements prometheus.Collector.
func (m *checkpointMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{metricCheckpointCalls, metricCheckpointBytes, metricCheckpointRestored,
		metricCheckpointRefused, metricCheckpointBroken, metricCheckpointFailed} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m *checkpointMetrics) Collect(to chan<- prometheus.Metric) {
	r := m.d.Checkpoints()
	if r == nil {
		return
	}
	one := func(d *prometheus.Desc, kind prometheus.ValueType, n uint64) {
		to <- prometheus.MustNewConstMetric(d, kind, float64(n))
	}
	one(metricCheckpointCalls, prometheus.GaugeValue, r.Calls)
	one(metricCheckpointBytes, prometheus.GaugeValue, r.Bytes)
	one(metricCheckpointRestored, prometheus.CounterValue, r.Restored)
	one(metricCheckpointRefused, prometheus.CounterValue, r.Refused)
	one(metricCheckpointBroken, prometheus.CounterValue, r.Broken)
	one(metricCheckpointFailed, prometheus.CounterValue, r.Failed)
}
