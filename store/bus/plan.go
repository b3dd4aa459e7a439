// This file has methods of Bus because what is made on a hub stands apart from what a Bus carries.

package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
)

// A HubPlan is what a hub has: the streams of a policy, and the durable consumers that read them.
type HubPlan struct {
	Plan
	Replicas   int           // copies of each stream on different servers; 0 is 1
	Cluster    string        // name of the cluster that has the streams; "" leaves it to the servers
	Tags       []string      // tags that the servers which have the streams must have
	Duplicates time.Duration // within which a repeated publication is recognised; 0 is 2 minutes
	Readers    []Reader
}

// A Reader is a durable consumer of a purpose's stream.
type Reader struct{ Purpose, Name string }

// ErrReplicas is returned by Apply for streams of more replicas than there are servers to have them.
var ErrReplicas = errors.New("there are too few servers for the replicas")

// Error codes of the server (nats-server 2.15, server/jetstream_errors_generated.go).
const (
	codeNoPeers   jetstream.ErrorCode = 10005 // of a cluster, too few servers with the room and the tags
	codeNoCluster jetstream.ErrorCode = 10074
)

// Validate returns everything that is wrong with p.
func (p HubPlan) Validate() error {
	errs := []error{p.Plan.Validate()}
	if p.Replicas < 0 || p.Replicas > 5 { // StreamMaxReplicas of nats-server
		errs = append(errs, errors.New("bus: replicas: want 1 to 5"))
	}
	if p.Duplicates < 0 {
		errs = append(errs, errors.New("bus: duplicates: want 0 or more"))
	}
	for _, r := range p.Readers {
		errs = append(errs, store.CheckName(r.Purpose), store.CheckName(r.Name))
	}
	return errors.Join(errs...)
}

// configs returns the streams of p.
func (p HubPlan) configs() []jetstream.StreamConfig {
	list := p.Plan.configs()
	for i := range list {
		list[i].Replicas = cmp.Or(p.Replicas, 1)
		list[i].Duplicates = cmp.Or(p.Duplicates, duplicateWindow)
		if p.Cluster != "" || len(p.Tags) > 0 {
			list[i].Placement = &jetstream.Placement{Cluster: p.Cluster, Tags: p.Tags}
		}
	}
	return list
}

// A Difference is one thing that a hub has otherwise than a HubPlan, or not at all.
type Difference struct {
	Object     string // such as "stream CPNI_BILLING"
	Setting    string // "" if the object is not there
	Have, Want string // of the setting
}

// String returns d as a line: + for what is missing, ~ for what is otherwise.
func (d Difference) String() string {
	if d.Setting == "" {
		return "+ " + d.Object
	}
	return fmt.Sprintf("~ %s: %s is %s, want %s", d.Object, d.Setting, d.Have, d.Want)
}

// Compare returns how the server differs from p, and the durable consumers of p's streams that p does not name.
func (b *Bus) Compare(ctx context.Context, p HubPlan) (list []Difference, others []string, err error) {
	return b.reconcile(ctx, p, false)
}

// Apply makes the server as p has it, and returns what differed before. What p does not name stays. When it returns an
// error, a repeated Apply goes on where this one ended.
func (b *Bus) Apply(ctx context.Context, p HubPlan) (list []Difference, others []string, err error) {
	return b.reconcile(ctx, p, true)
}

func (b *Bus) reconcile(ctx context.Context, p HubPlan, apply bool) (list []Difference, others []string, err error) {
	if err := p.Validate(); err != nil {
		return nil, nil, err
	}
	ctx, end := b.errs.watch(ctx, func(subject string) bool { return strings.HasPrefix(subject, "$JS.API.") })
	defer end()
	defer func() {
		if denied := context.Cause(ctx); errors.Is(denied, nats.ErrPermissionViolation) {
			err = fmt.Errorf("bus: %w", denied)
		}
	}()
	for _, want := range p.configs() {
		some, err := b.reconcileStream(ctx, want, apply)
		list = append(list, some...)
		if refused := new(jetstream.APIError); errors.As(err, &refused) &&
			(refused.ErrorCode == codeNoCluster || refused.ErrorCode == codeNoPeers) {
			err = fmt.Errorf("%w: %w", ErrReplicas, err)
		}
		if err != nil {
			return list, nil, fmt.Errorf("bus: stream %s: %w", want.Name, err)
		}
	}
	for _, r := range p.Readers {
		some, err := b.reconcileReader(ctx, r, apply)
		list = append(list, some...)
		if err != nil {
			return list, nil, fmt.Errorf("bus: consumer %s of %s: %w", r.Name, store.StreamName(r.Purpose), err)
		}
	}
	others, err = b.otherConsumers(ctx, p)
	return list, others, err
}

// A streamSetting is one setting of a stream that a HubPlan decides.
type streamSetting struct {
	name string
	text func(*jetstream.StreamConfig) string
	set  func(to, from *jetstream.StreamConfig)
}

var streamSettings = []streamSetting{
	{"subjects", func(c *jetstream.StreamConfig) string {
		return strings.Join(slices.Sorted(slices.Values(c.Subjects)), ", ")
	},
		func(to, from *jetstream.StreamConfig) { to.Subjects = from.Subjects }},
	{"retention", func(c *jetstream.StreamConfig) string { return c.Retention.String() },
		func(to, from *jetstream.StreamConfig) { to.Retention = from.Retention }},
	{"max_age", func(c *jetstream.StreamConfig) string { return c.MaxAge.String() },
		func(to, from *jetstream.StreamConfig) { to.MaxAge = from.MaxAge }},
	{"max_bytes", func(c *jetstream.StreamConfig) string { return limit(c.MaxBytes) },
		func(to, from *jetstream.StreamConfig) { to.MaxBytes = from.MaxBytes }},
	{"max_msgs", func(c *jetstream.StreamConfig) string { return limit(c.MaxMsgs) },
		func(to, from *jetstream.StreamConfig) { to.MaxMsgs = from.MaxMsgs }},
	{"max_msgs_per_subject", func(c *jetstream.StreamConfig) string { return limit(c.MaxMsgsPerSubject) },
		func(to, from *jetstream.StreamConfig) { to.MaxMsgsPerSubject = from.MaxMsgsPerSubject }},
	{"discard", func(c *jetstream.StreamConfig) string { return c.Discard.String() },
		func(to, from *jetstream.StreamConfig) { to.Discard = from.Discard }},
	{"storage", func(c *jetstream.StreamConfig) string { return c.Storage.String() },
		func(to, from *jetstream.StreamConfig) { to.Storage = from.Storage }},
	{"replicas", func(c *jetstream.StreamConfig) string { return strconv.Itoa(c.Replicas) },
		func(to, from *jetstream.StreamConfig) { to.Replicas = from.Replicas }},
	{"duplicate_window", func(c *jetstream.StreamConfig) string { return c.Duplicates.String() },
		func(to, from *jetstream.StreamConfig) { to.Duplicates = from.Duplicates }},
	{"allow_atomic", func(c *jetstream.StreamConfig) string { return strconv.FormatBool(c.AllowAtomicPublish) },
		func(to, from *jetstream.StreamConfig) { to.AllowAtomicPublish = from.AllowAtomicPublish }},
	{"placement", placement, func(to, from *jetstream.StreamConfig) { to.Placement = from.Placement }},
}

// limit returns a limit of a stream, which is none below 1.
func limit(n int64) string {
	if n < 1 {
		return "none"
	}
	return strconv.FormatInt(n, 10)
}

func placement(c *jetstream.StreamConfig) string {
	if c.Placement == nil || c.Placement.Cluster == "" && len(c.Placement.Tags) == 0 {
		return "anywhere"
	}
	return strings.TrimSpace(c.Placement.Cluster + " " + strings.Join(c.Placement.Tags, ","))
}

// reconcileStream compares one stream; with apply it makes it, or changes the settings that differ and no other.
func (b *Bus) reconcileStream(ctx context.Context, want jetstream.StreamConfig, apply bool) (list []Difference, err error) {
	object := "stream " + want.Name
	s, err := b.stream.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if apply {
			_, err = b.stream.CreateStream(ctx, want)
			return []Difference{{Object: object}}, err
		}
		return []Difference{{Object: object}}, nil
	}
	if err != nil {
		return nil, err
	}
	have := s.CachedInfo().Config
	for _, one := range streamSettings {
		if h, w := one.text(&have), one.text(&want); h != w {
			list = append(list, Difference{object, one.name, h, w})
			one.set(&have, &want)
		}
	}
	if apply && list != nil {
		_, err = b.stream.UpdateStream(ctx, have)
	}
	return list, err
}

// reconcileReader compares one consumer; with apply it makes it, or changes it. One whose kind of acknowledgement differs
// is replaced, and goes on where it was.
func (b *Bus) reconcileReader(ctx context.Context, r Reader, apply bool) (list []Difference, err error) {
	stream := store.StreamName(r.Purpose)
	object := "consumer " + stream + " " + r.Name
	want := consumerConfig(r.Name, false)
	c, err := b.stream.Consumer(ctx, stream, r.Name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) && !apply {
		if apply {
			_, err = b.stream.CreateConsumer(ctx, stream, want)
			return []Difference{{Object: object}}, err
		}
		return []Difference{{Object: object}}, nil
	}
	if err != nil {
		return nil, err
	}
	have := c.CachedInfo().Config
	note := func(setting, h, w string) {
		if h != w {
			list = append(list, Difference{object, setting, h, w})
		}
	}
	note("ack_policy", have.AckPolicy.String(), want.AckPolicy.String())
	note("ack_wait", have.AckWait.String(), want.AckWait.String())
	note("max_ack_pending", strconv.Itoa(have.MaxAckPending), strconv.Itoa(want.MaxAckPending))
	note("max_deliver", strconv.Itoa(have.MaxDeliver), strconv.Itoa(want.MaxDeliver))
	switch {
	case !apply || list == nil:
	case have.AckPolicy != want.AckPolicy:
		_, err = b.replaceConsumer(ctx, stream, c, want)
	default:
		have.AckWait, have.MaxAckPending, have.MaxDeliver = want.AckWait, want.MaxAckPending, want.MaxDeliver
		_, err = b.stream.UpdateConsumer(ctx, stream, have)
	}
	return list, err
}

// otherConsumers returns the durable consumers of p's purposes that p does not name.
func (b *Bus) otherConsumers(ctx context.Context, p HubPlan) (others []string, err error) {
	purposes := []string{store.Ops}
	for _, one := range p.Streams {
		purposes = append(purposes, one.Purpose)
	}
	for _, purpose := range purposes {
		name := store.StreamName(purpose)
		s, err := b.stream.Stream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("bus: stream %s: %w", name, err)
		}
		consumers := s.ListConsumers(ctx)
		for c := range consumers.Info() {
			if c.Config.Durable != "" && !slices.Contains(p.Readers, Reader{purpose, c.Name}) {
				others = append(others, "consumer "+name+" "+c.Name)
			}
		}
		if err := consumers.Err(); err != nil {
			return nil, fmt.Errorf("bus: stream %s: %w", name, err)
		}
	}
	return others, nil
}

// replaceConsumer makes a consumer anew whose kind of acknowledgement cannot be changed. It goes on where that was.
func (b *Bus) replaceConsumer(
	ctx context.Context, stream string, old jetstream.Consumer, want jetstream.ConsumerConfig,
) (jetstream.Consumer, error) {
	want.DeliverPolicy, want.OptStartSeq = jetstream.DeliverByStartSequencePolicy, old.CachedInfo().AckFloor.Stream+1
	if err := b.stream.DeleteConsumer(ctx, stream, want.Durable); err != nil {
		return nil, err
	}
	return b.stream.CreateConsumer(ctx, stream, want)
}
