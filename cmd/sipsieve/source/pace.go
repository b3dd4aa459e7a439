package source

import (
	"sync"
	"time"

	"sipsieve/capture"
)

// paced returns a source that delivers the packets of s speed times as fast as they were captured; s itself for 0.
func paced(s capture.Source, speed float64) capture.Source {
	if speed <= 0 {
		return s
	}
	return &pace{Source: s, speed: speed, closed: make(chan struct{})}
}

// A pace is a file that is read no faster than it was captured.
type pace struct {
	capture.Source
	speed   float64
	first   time.Time // packet time of the first packet
	started time.Time
	closed  chan struct{}
	once    sync.Once
}

// Next implements capture.Source.
func (p *pace) Next() (capture.Packet, error) {
	packet, err := p.Source.Next()
	if err != nil {
		return packet, err
	}
	if p.first.IsZero() {
		p.first, p.started = packet.Time, time.Now()
	}
	due := time.Duration(float64(packet.Time.Sub(p.first)) / p.speed)
	if wait := due - time.Since(p.started); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.closed:
		}
	}
	return packet, nil
}

// Close ends the wait and the Source.
func (p *pace) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.Source.Close()
}
