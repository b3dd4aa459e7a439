package main

import (
	"sipsieve/cmd/sipsieve/checkpoint"

	"github.com/prometheus/client_golang/prometheus"
)

// journalMetrics shows a journal to Prometheus.
type journalMetrics struct{ j *checkpoint.Log }

var (
	metricJournalCalls    = desc("journal_calls", "Open calls that the journal holds.", "")
	metricJournalBytes    = desc("journal_bytes", "Size of the journal.", "")
	metricJournalRestored = desc("journal_restored_total", "Calls that were restored at the start.", "")
	metricJournalRefused  = desc("journal_refused_total", "Journals and calls that could not be restored.", "")
	metricJournalBroken   = desc("journal_broken_total", "Journals that were not whole.", "")
	metricJournalFailed   = desc("journal_failed_total", "Writes to the journal that failed.", "")
)

// Describe implements prometheus.Collector.
func (m *journalMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{metricJournalCalls, metricJournalBytes, metricJournalRestored,
		metricJournalRefused, metricJournalBroken, metricJournalFailed} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m *journalMetrics) Collect(to chan<- prometheus.Metric) {
	r := m.j.Report()
	if r == nil {
		return
	}
	one := func(d *prometheus.Desc, kind prometheus.ValueType, n uint64) {
		to <- prometheus.MustNewConstMetric(d, kind, float64(n))
	}
	one(metricJournalCalls, prometheus.GaugeValue, r.Calls)
	one(metricJournalBytes, prometheus.GaugeValue, r.Bytes)
	one(metricJournalRestored, prometheus.CounterValue, r.Restored)
	one(metricJournalRefused, prometheus.CounterValue, r.Refused)
	one(metricJournalBroken, prometheus.CounterValue, r.Broken)
	one(metricJournalFailed, prometheus.CounterValue, r.Failed)
}
