package console

import (
	"github.com/prometheus/client_golang/prometheus"

	"sipsieve/cmd/sipsieve/checkpoint"
)

// checkpointMetrics shows checkpoint logs to Prometheus.
type checkpointMetrics struct{ d *Console }

// A checkpointFamily is a metric of a checkpoint log, or of several together.
type checkpointFamily struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*checkpoint.Report) uint64
}

var checkpointFamilies = []checkpointFamily{
	{desc("checkpoint_calls", "Open calls that the checkpoint logs hold.", ""), prometheus.GaugeValue,
		func(r *checkpoint.Report) uint64 { return r.Calls }},
	{desc("checkpoint_excerpts", "Excerpts that the checkpoint log of windows holds.", ""), prometheus.GaugeValue,
		func(r *checkpoint.Report) uint64 { return r.Excerpts }},
	{desc("checkpoint_lost_excerpts_total", "Excerpts that a damaged checkpoint log had, at most.", ""), prometheus.CounterValue,
		func(r *checkpoint.Report) uint64 { return r.LostExcerpts }},
	{desc("checkpoint_bytes", "Size of the checkpoint logs.", ""), prometheus.GaugeValue,
		func(r *checkpoint.Report) uint64 { return r.Bytes }},
	{desc("checkpoint_restored_total", "Calls that were restored at the start.", ""), prometheus.CounterValue,
		func(r *checkpoint.Report) uint64 { return r.Restored }},
	{desc("checkpoint_refused_total", "Checkpoint logs and calls that could not be restored.", ""), prometheus.CounterValue,
		func(r *checkpoint.Report) uint64 { return r.Refused }},
	{desc("checkpoint_broken_total", "Checkpoint logs that were damaged; what was intact was restored.", ""),
		prometheus.CounterValue, func(r *checkpoint.Report) uint64 { return r.Broken }},
	{desc("checkpoint_lost_total", "Open calls that could not be restored, at most: exact if no end of a call was damaged.", ""),
		prometheus.CounterValue, func(r *checkpoint.Report) uint64 { return r.Lost }},
	{desc("checkpoint_lost_entries_total", "Entries of checkpoint logs that were damaged.", ""), prometheus.CounterValue,
		func(r *checkpoint.Report) uint64 { return r.LostEntries }},
	{desc("checkpoint_set_aside_total", "Checkpoint logs of another key or version that were set aside.", ""),
		prometheus.CounterValue, func(r *checkpoint.Report) uint64 { return r.SetAside }},
	{desc("checkpoint_failed_total", "Writes to checkpoint logs that failed.", ""), prometheus.CounterValue,
		func(r *checkpoint.Report) uint64 { return r.Failed }},
}

// Describe implements prometheus.Collector.
func (m *checkpointMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, f := range checkpointFamilies {
		to <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (m *checkpointMetrics) Collect(to chan<- prometheus.Metric) {
	r := m.d.Checkpoints()
	if r == nil {
		return
	}
	for _, f := range checkpointFamilies {
		to <- prometheus.MustNewConstMetric(f.desc, f.kind, float64(f.value(r)))
	}
}
