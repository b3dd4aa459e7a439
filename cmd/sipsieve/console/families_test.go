package console

import (
	"reflect"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"sipsieve/cmd/sipsieve/ledger"
)

// asHistogram are the numbers of the ledger that are shown as another thing than one number each.
var asHistogram = map[string]string{
	"options.*.answered":    "count of options_latency_seconds",
	"options.*.sum_us":      "sum of options_latency_seconds",
	"options.*.within_us.*": "buckets of options_latency_seconds",
	"options.*.max_us":      "options_latency_max_seconds, in seconds",

	"host.clock_max_error_us": "clock_max_error_seconds, in seconds",
}

// fill puts one entry into every map in v, a pointer's value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		elem := reflect.New(v.Type().Elem()).Elem()
		fill(elem)
		v.SetMapIndex(reflect.ValueOf("key"), elem)
	}
}

// shown is a ledger as Prometheus gathers it.
type shown struct{ *ledger.Ledger }

func (s shown) Describe(to chan<- *prometheus.Desc) { (&metrics{}).Describe(to) }
func (s shown) Collect(to chan<- prometheus.Metric) { collectLedger(s.Ledger, to) }

// TestEveryMetricIsNamedAsPrometheusWants looks at all families, those too that a small capture does not show.
func TestEveryMetricIsNamedAsPrometheusWants(t *testing.T) {
	var l ledger.Ledger
	fill(reflect.ValueOf(&l).Elem())
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(shown{&l}); err != nil {
		t.Fatal(err)
	}
	gathered, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(gathered).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("err = %v, problems = %v", err, problems)
	}
	if len(gathered) < len(families) {
		t.Errorf("metrics = %d, want %d at least", len(gathered), len(families))
	}
}

func TestEveryNumberOfTheLedgerHasAMetric(t *testing.T) {
	var l ledger.Ledger
	fill(reflect.ValueOf(&l).Elem())
	paths := map[string]bool{}
	walk(reflect.ValueOf(l), "", nil, func(path string, _ []string, _ uint64) {
		paths[path] = true
		_, shown := samples[path]
		if _, other := asHistogram[path]; shown == other {
			t.Errorf("%s: shown = %t, as another thing = %t", path, shown, other)
		}
	})
	for path := range samples {
		if !paths[path] {
			t.Errorf("%s: the ledger has no such number", path)
		}
	}
	for path := range asHistogram {
		if !paths[path] {
			t.Errorf("%s: the ledger has no such number", path)
		}
	}
}
