package bus

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
)

// A StreamConfig is how long the stream of a purpose retains and its share of the disk.
type StreamConfig struct {
	Purpose  string
	Retain   time.Duration // 0 is 72 hours
	Priority int           // 1 or more, its share of the disk is in proportion to 1/Priority; 0 is 5
}

// A Plan is all streams of a server: those of purposes, and OPS with what sensors covered (store.OpsRecord). DiskLimit in
// bytes is shared among them; 0 is no limit. OPS has OpsLimit bytes beside that; 0 is a share of DiskLimit, with the
// default priority.
type Plan struct {
	Streams             []StreamConfig
	DiskLimit, OpsLimit int64
	OpsRetain           time.Duration // of OPS; 0 for ever
}

// Validate returns everything that is wrong with p, each under its purpose.
func (p Plan) Validate() error {
	var errs []error
	for i, s := range p.Streams {
		errs = append(errs, store.CheckName(s.Purpose))
		if s.Retain < 0 || s.Priority < 0 {
			errs = append(errs, errors.New("bus: retain, priority: want 0 or more"))
		}
		if slices.ContainsFunc(p.Streams[:i], func(o StreamConfig) bool { return o.Purpose == s.Purpose }) {
			errs = append(errs, errors.New("bus: a purpose stands twice"))
		}
	}
	if p.DiskLimit < 0 || p.OpsLimit < 0 || p.OpsRetain < 0 {
		errs = append(errs, errors.New("bus: disk limit, retain of OPS: want 0 or more"))
	}
	return errors.Join(errs...)
}

// Room returns the share of the disk that the stream of a purpose has, in bytes; 0 if p has none, -1 without a limit.
func (p Plan) Room(purpose string) int64 {
	for _, c := range p.configs() {
		if c.Name == store.StreamName(purpose) {
			return c.MaxBytes
		}
	}
	return 0
}

// configs returns the streams of p, OPS last.
func (p Plan) configs() []jetstream.StreamConfig {
	shares := 0.0
	if p.OpsLimit == 0 {
		shares = 1.0 / defaultPriority
	}
	for _, s := range p.Streams {
		shares += s.share()
	}
	bytes := func(share float64) int64 {
		if p.DiskLimit == 0 {
			return -1
		}
		return int64(float64(p.DiskLimit) * share / shares)
	}
	var configs []jetstream.StreamConfig
	for _, s := range p.Streams {
		c := streamConfig(store.StreamName(s.Purpose), store.StreamSubjects(s.Purpose))
		c.MaxAge, c.MaxBytes = cmp.Or(s.Retain, defaultRetain), bytes(s.share())
		c.Duplicates = min(c.Duplicates, c.MaxAge)
		configs = append(configs, c)
	}
	ops := streamConfig(store.StreamName(store.Ops), store.StreamSubjects(store.Ops))
	if ops.MaxAge = p.OpsRetain; ops.MaxAge > 0 {
		ops.Duplicates = min(ops.Duplicates, ops.MaxAge)
	}
	if ops.MaxBytes = p.OpsLimit; p.OpsLimit == 0 {
		ops.MaxBytes = bytes(1.0 / defaultPriority)
	}
	return append(configs, ops)
}

func (s StreamConfig) share() float64 { return 1 / float64(cmp.Or(s.Priority, defaultPriority)) }

func streamConfig(name string, subjects []string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: name, Subjects: subjects, Replicas: 1,
		Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew,
		MaxMsgs: -1, MaxMsgsPerSubject: -1, MaxConsumers: -1, MaxMsgSize: -1,
		Duplicates: duplicateWindow, AllowAtomicPublish: true, AllowDirect: true,
	}
}

// A Lag is how full the stream of a purpose is and how far its consumers are behind.
type Lag struct {
	Purpose      string
	Messages     uint64
	Bytes, Limit int64     // Limit is -1 if there is none
	Oldest       time.Time // when the oldest message came; zero if there is none
	First, Last  uint64    // sequences of the oldest and the newest
	Consumers    []ConsumerLag
}

// A ConsumerLag is how far one consumer is behind.
type ConsumerLag struct {
	Name         string
	Confirmed    uint64 // every message up to this sequence is acknowledged; less than First-1: some went by age before
	Pending      uint64 // not delivered yet
	Unconfirmed  int    // delivered, not acknowledged
	Redelivering int    // of these, delivered more than once

	Oldest time.Time // when the oldest it has not confirmed came; zero if there is none, or the server is elsewhere
}

// Behind returns how many messages the consumer has not confirmed: those of Pending and Unconfirmed.
func (c *ConsumerLag) Behind() uint64 { return c.Pending + uint64(c.Unconfirmed) }
