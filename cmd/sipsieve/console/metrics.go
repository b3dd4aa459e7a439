package console

import (
	"context"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/daemon"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/store"

	"github.com/prometheus/client_golang/prometheus"

	"sipsieve/sip/track"
)

// metrics shows the ledger to Prometheus, and the bus. Its labels are closed sets: words of the product, and names that the
// operator gave to trunks, purposes and sources. Nothing of a person is in any of them.
type metrics struct{ d *Console }

// Metrics that are not numbers of the ledger as they stand there.
var (
	metricBuild      = desc("build_info", "The version that runs.", "version")
	metricForgotten  = desc("records_forgotten_total", "Records that the sweep deleted because they had expired.", "")
	metricReading    = desc("sources_reading", "Inputs that have not ended: all live sources together, each file, each folder.", "")
	metricUp         = desc("source_up", "1 while the source can be read, or waits for a file.", "source")
	metricLatency    = desc("options_latency_seconds", "Time from the first request to the final response.", "trunk")
	metricLongest    = desc("options_latency_max_seconds", "Longest time from a request to its final response.", "trunk")
	metricClockError = desc("clock_max_error_seconds", "Largest error of the host's clock, as adjtimex(2) reports it.", "")
	metricMessages   = desc("bus_messages", "Excerpts in the purpose's stream.", "purpose")
	metricBytes      = desc("bus_bytes", "Bytes in the purpose's stream.", "purpose")
	metricLimitBytes = desc("bus_limit_bytes", "Most bytes that the purpose's stream may have.", "purpose")
	metricBehind     = desc("bus_behind", "Excerpts that the store, or the hub, has not confirmed yet.", "purpose keeper")
	metricOldest     = desc("bus_oldest_seconds", "Age of the oldest of these excerpts.", "purpose keeper")
	metricTrouble    = desc("bus_trouble", "1 while excerpts wait for that cause before the spool, the store or the hub, else 0.", "purpose keeper cause")
	metricReload     = desc("config_last_reload_successful", "1 if the last attempt to read the configuration again was successful, or there was none, else 0.", "")
	metricReloadTime = desc("config_last_reload_success_timestamp_seconds", "When the configuration in force took effect.", "")
	metricHub        = desc("hub_reached", "1 while there is a connection to the hub, else 0.", "")
)

// busTimeout is how long a scrape waits for the bus, which may be on another host.
const busTimeout = time.Second

// Describe implements prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{metricBuild, metricForgotten, metricReading, metricUp, metricLatency,
		metricLongest, metricClockError, metricMessages, metricBytes, metricLimitBytes, metricBehind,
		metricOldest, metricTrouble, metricHub, metricReload, metricReloadTime} {
		to <- d
	}
	for _, f := range families {
		to <- samples[strings.Fields(f.paths)[0]].desc
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	collectLedger(m.d.Ledger(), to)
	to <- gauge(metricBuild, 1, m.d.Version)
	to <- prometheus.MustNewConstMetric(metricForgotten, prometheus.CounterValue, float64(m.d.Swept()))
	successful, since := m.d.LastReload()
	to <- gauge(metricReload, truth(successful))
	to <- gauge(metricReloadTime, float64(since.Unix()))
	to <- gauge(metricReading, float64(m.d.Reading()))
	for i := range m.d.Source {
		value := 0.0
		if daemon.SourceUp(m.d.SourceState(config.SourceKey(i))) {
			value = 1
		}
		to <- gauge(metricUp, value, config.SourceKey(i))
	}
	m.collectBus(to)
}

// collectLedger shows every number of l.
func collectLedger(l *ledger.Ledger, to chan<- prometheus.Metric) {
	walk(reflect.ValueOf(l).Elem(), "", nil, func(path string, keys []string, n uint64) {
		if s, ok := samples[path]; ok {
			if s.last != "" {
				keys = append(slices.Clone(keys), s.last)
			}
			to <- prometheus.MustNewConstMetric(s.desc, s.kind, float64(n), keys...)
		}
	})
	to <- gauge(metricClockError, seconds(uint64(l.Host.ClockError)))
	for trunk, o := range l.Options {
		to <- latency(&o, trunk)
		to <- gauge(metricLongest, seconds(uint64(o.Max)), trunk)
	}
}

// collectBus shows the streams, as far as the bus answers in time.
func (m *metrics) collectBus(to chan<- prometheus.Metric) {
	if has, reached := m.d.Hubbed(); has {
		to <- gauge(metricHub, truth(reached))
	}
	ctx, stop := context.WithTimeout(context.Background(), busTimeout)
	defer stop()
	spool := m.d.SpoolCauses()
	for _, purpose := range m.d.Streams() {
		for _, cause := range store.Causes() {
			if spool != nil {
				to <- gauge(metricTrouble, truth(spool[purpose] == cause), purpose, "spool", string(cause))
			}
		}
		s, err := m.d.Stream(ctx, purpose)
		if err != nil {
			continue // of this purpose only
		}
		to <- gauge(metricMessages, float64(s.Messages), purpose)
		to <- gauge(metricBytes, float64(s.Bytes), purpose)
		for place, k := range s.Keepers {
			to <- gauge(metricBehind, float64(k.Behind), purpose, place)
			to <- gauge(metricOldest, k.Oldest, purpose, place)
			for _, cause := range store.Causes() {
				to <- gauge(metricTrouble, truth(k.Cause == string(cause)), purpose, place, string(cause))
			}
		}
		if s.Limit >= 0 {
			to <- gauge(metricLimitBytes, float64(s.Limit), purpose)
		}
	}
}

func gauge(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

// truth returns 1 for true, 0 for false.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(us uint64) float64 { return float64(us) / 1e6 }

// latency returns o as a histogram.
func latency(o *ledger.Options, trunk string) prometheus.Metric {
	buckets, below := map[float64]uint64{}, uint64(0)
	for _, bound := range track.LatencyBounds {
		below += o.Within[strconv.FormatInt(bound.Microseconds(), 10)]
		buckets[bound.Seconds()] = below
	}
	return prometheus.MustNewConstHistogram(metricLatency, o.Answered, seconds(o.Sum), buckets, trunk)
}

// walk calls show with every number in v, its path, and the keys of the maps on the way.
func walk(v reflect.Value, path string, keys []string, show func(path string, keys []string, n uint64)) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			walk(v.Field(i), strings.TrimPrefix(path+"."+name, "."), keys, show)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			walk(v.MapIndex(key), path+".*", append(slices.Clone(keys), key.String()), show)
		}
	case reflect.Uint64:
		show(path, keys, v.Uint())
	}
}
