package bus

import (
	"testing"

	"github.com/nats-io/nats.go"
)

// BenchmarkPublishAtomic against BenchmarkPublishOneByOne is what an fsync a batch is worth.
func BenchmarkPublishAtomic(b *testing.B) {
	benchmarkPublish(b, func(p *Publisher, messages []*nats.Msg) error { return p.batch(b.Context(), "billing", messages) })
}

func BenchmarkPublishOneByOne(b *testing.B) {
	benchmarkPublish(b, func(p *Publisher, messages []*nats.Msg) error { return p.publishEach(b.Context(), messages) })
}

func benchmarkPublish(b *testing.B, publish func(*Publisher, []*nats.Msg) error) {
	bus := embedded(b, 0, "billing")
	p := bus.Publisher()
	n := 0
	for b.Loop() {
		b.StopTimer()
		var messages []*nats.Msg
		for _, x := range calls(b, "billing", n, n+batchLimit) {
			m, err := message(x)
			if err != nil {
				b.Fatal(err)
			}
			messages = append(messages, m)
		}
		n += batchLimit
		b.StartTimer()
		if err := publish(p, messages); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}
