package bus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// How many messages a server takes in one atomic batch: one elsewhere by its default, the embedded one by its options.
const (
	batchLimit    = 1000
	ownBatchLimit = 4000
)

// smallBatch is how many messages are put one by one: a batch costs the server about as many syncs of a disk.
const smallBatch = 4

// Headers of a message, beside the message id of NATS.
const (
	headerSchema = "Sieve-Schema"
	headerPolicy = "Sieve-Policy"
	headerSite   = "Sieve-Site"
	headerSensor = "Sieve-Sensor"
	headerSeq    = "Sieve-Seq"
	headerSpool  = "Sieve-Spool"
)

// Error codes of the server that a Publisher acts on.
const (
	codeStoreFailed     jetstream.ErrorCode = 10077
	codeMessageTooLarge jetstream.ErrorCode = 10054
	codeHeaderTooLarge  jetstream.ErrorCode = 10097
)

// A Publisher is the Sink whose Put ends when the streams have all of xs on disk.
type Publisher struct{ bus *Bus }

// Put publishes xs in atomic batches: those of one purpose in their order, purposes side by side. The error is
// store.Faults if anything is still to be put, of the purposes that it names only. Else it is store.Refused: for want of
// room (store.ErrFull) the last ones of a purpose, or those that cannot be published at all (store.ErrTooLarge,
// store.ErrName). A repeated Put within two minutes stores nothing twice.
func (p *Publisher) Put(ctx context.Context, xs []policy.Excerpt) error {
	var refused store.Refused
	batches := p.batches(xs, &refused)
	var all sync.WaitGroup
	for _, one := range batches[min(1, len(batches)):] {
		all.Go(func() { one.left, one.err = p.publish(ctx, one) })
	}
	if len(batches) > 0 {
		batches[0].left, batches[0].err = p.publish(ctx, batches[0])
	}
	all.Wait()
	sound := refused == nil
	var faults store.Faults
	for _, one := range batches {
		var fault store.Fault
		refused = append(refused, one.tooLarge...)
		switch {
		case errors.As(one.err, &fault):
			if sound && one.tooLarge == nil {
				fault.Left = one.left
			}
			faults = append(faults, fault)
		case one.err != nil:
			refused = append(refused, store.Refusal{Purpose: one.purpose, Count: one.left, Err: one.err,
				Excerpts: one.excerpts[len(one.excerpts)-one.left:]})
		}
	}
	switch {
	case faults != nil:
		return faults
	case refused != nil:
		return refused
	}
	return nil
}

// A purposeBatch is what goes into the stream of one purpose, and what came of it.
type purposeBatch struct {
	purpose  string
	excerpts []policy.Excerpt
	messages []*nats.Msg   // of excerpts, each
	tooLarge store.Refused // those that the stream does not take, each alone
	left     int           // of messages, at their end: not put
	err      error         // why: a store.Fault, or store.ErrFull
}

// batches sorts xs by purpose in the order of their first, and refuses what has no name or is too large.
func (p *Publisher) batches(xs []policy.Excerpt, refused *store.Refused) []*purposeBatch {
	limit := int64(math.MaxInt64)
	if since, _ := p.bus.Away(); since.IsZero() {
		limit = p.bus.conn.MaxPayload() - batchHeaders
	}
	var order []*purposeBatch
	byPurpose := map[string]*purposeBatch{}
	for _, x := range xs {
		m, err := message(x)
		if err == nil && int64(m.Size()) > limit {
			err = fmt.Errorf("bus: %d bytes: %w", m.Size(), store.ErrTooLarge)
		}
		if err != nil {
			*refused = append(*refused, store.Refusal{Purpose: x.Purpose, Count: 1, Err: err, Excerpts: []policy.Excerpt{x}})
			continue
		}
		if byPurpose[x.Purpose] == nil {
			byPurpose[x.Purpose] = &purposeBatch{purpose: x.Purpose}
			order = append(order, byPurpose[x.Purpose])
		}
		one := byPurpose[x.Purpose]
		one.excerpts, one.messages = append(one.excerpts, x), append(one.messages, m)
	}
	return order
}

// oneAnswer has a batch wait for the answer to its end only: one round trip.
var oneAnswer = jetstreamext.BatchFlowControl{AckTimeout: replyTimeout}

// notAsBatch are the errors of a batch whose messages are put one by one: some are there already, or the server takes no
// batch, or none so large.
var notAsBatch = []jetstream.ErrorCode{jetstreamext.JSErrCodeBatchPublishDuplicateMsgID,
	jetstreamext.JSErrCodeBatchPublishNotEnabled, jetstreamext.JSErrCodeBatchPublishExceedsLimit}

// batchHeaders is room for the headers that a batch adds to each of its messages.
const batchHeaders = 256

// message returns x as it is published.
func message(x policy.Excerpt) (*nats.Msg, error) {
	subject, err := store.Subject(x)
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	id, err := messageID(x)
	if err != nil {
		return nil, err
	}
	m := &nats.Msg{Subject: subject, Data: x.Body(), Header: nats.Header{
		nats.MsgIdHdr: {id},
		headerSchema:  {x.Schema}, headerPolicy: {x.Policy}, headerSite: {x.Site}, headerSensor: {x.Sensor},
	}}
	if o := x.Published; o.Number > 0 {
		m.Header[headerSeq] = []string{strconv.FormatUint(o.Number, 10)}
		m.Header[headerSpool] = []string{time.Unix(0, o.Stream).UTC().Format(time.RFC3339Nano)}
	}
	return m, nil
}

// messageID names one publication of one sensor: a retry has the same, and another body of the same revision has not.
func messageID(x policy.Excerpt) (string, error) {
	if err := checkID(x); err != nil {
		return "", err
	}
	sum := sha256.Sum256(x.Body())
	return x.Sensor + "." + x.ID + "." + strconv.Itoa(x.Revision) + "." + hex.EncodeToString(sum[:4]), nil
}

// checkID returns an error that wraps store.ErrName unless a message id can be made of x.
func checkID(x policy.Excerpt) error {
	if err := store.CheckName(x.Sensor); err != nil {
		return fmt.Errorf("bus: sensor: %w", err)
	}
	for _, c := range []byte(x.ID) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return fmt.Errorf("bus: id: %w", store.ErrName)
		}
	}
	if x.ID == "" || len(x.ID) > 64 {
		return fmt.Errorf("bus: id: %w", store.ErrName)
	}
	return nil
}

// publish puts the messages of one purpose, and returns how many at their end it did not put.
func (p *Publisher) publish(ctx context.Context, one *purposeBatch) (left int, err error) {
	left = len(one.messages)
	if err := p.bus.broken(); err != nil {
		return left, p.bus.fault(ctx, one.purpose, "publish", err)
	}
	if since, why := p.bus.Away(); !since.IsZero() {
		return left, p.bus.fault(ctx, one.purpose, "publish", why)
	}
	subjects := store.StreamSubjects(one.purpose)
	ctx, end := p.bus.errs.watchAs(ofPut, ctx, func(subject string) bool {
		return slices.ContainsFunc(subjects, func(s string) bool { return strings.HasPrefix(subject, strings.TrimSuffix(s, ">")) })
	})
	defer end()
	limit := batchLimit
	if p.bus.server != nil {
		limit = ownBatchLimit
	}
	for left > 0 {
		begin := len(one.messages) - left
		n, err := p.putPart(ctx, one, begin, begin+min(left, limit))
		left -= n
		if err != nil {
			return left, err
		}
	}
	return 0, nil
}

// putPart puts the messages from begin to before end, or as many of them as there is room for, and returns how many it has
// dealt with. Of a batch that is refused because a message is too large each half is put by itself, so that only that
// message is refused.
func (p *Publisher) putPart(ctx context.Context, one *purposeBatch, begin, end int) (int, error) {
	n, err := p.batchInRoom(ctx, one.purpose, one.messages[begin:end])
	p.bus.published.Add(uint64(n))
	switch {
	case !errors.Is(err, store.ErrTooLarge):
		return n, err
	case end-begin == 1:
		one.tooLarge = append(one.tooLarge, store.Refusal{Purpose: one.purpose, Count: 1, Err: err,
			Excerpts: one.excerpts[begin:end]})
		return 1, nil
	}
	half := begin + (end-begin)/2
	if n, err = p.putPart(ctx, one, begin, half); err != nil || begin+n < half {
		return n, err
	}
	rest, err := p.putPart(ctx, one, half, end)
	return n + rest, err
}

// batch puts all messages or none, but for a batch of which some are there already, and a small one, which is cheaper
// without a batch: those are put one by one.
func (p *Publisher) batch(ctx context.Context, purpose string, messages []*nats.Msg) error {
	err := p.tryBatch(ctx, messages)
	var refused *jetstream.APIError
	if errors.As(err, &refused) && refused.ErrorCode == jetstreamext.JSErrCodeBatchPublishIncomplete &&
		p.overLimit(ctx, purpose, messages) {
		return fmt.Errorf("bus: publish: %w", store.ErrTooLarge)
	}
	return p.publishError(ctx, purpose, err)
}

// overLimit reports whether one of messages is larger than the stream takes. The server does not say why it left a
// message out of a batch: a full disk is another reason, and there each message by itself would only time out.
func (p *Publisher) overLimit(ctx context.Context, purpose string, messages []*nats.Msg) bool {
	stream, err := p.bus.stream.Stream(ctx, store.StreamName(purpose))
	if err != nil {
		return false
	}
	limit := int(stream.CachedInfo().Config.MaxMsgSize)
	return limit > 0 && slices.ContainsFunc(messages, func(m *nats.Msg) bool { return m.Size()-len(m.Subject)-len(m.Reply) > limit })
}

func (p *Publisher) tryBatch(ctx context.Context, messages []*nats.Msg) error {
	if len(messages) <= smallBatch {
		return p.publishEach(ctx, messages)
	}
	ack, err := jetstreamext.PublishMsgBatch(ctx, p.bus.stream, messages, oneAnswer)
	var refused *jetstream.APIError
	switch {
	case err == nil:
		p.bus.acknowledged(ack.Stream, ack.Sequence)
		return nil
	case errors.Is(err, jetstreamext.ErrInvalidBatchAck):
		p.bus.oneByOne.Add(uint64(len(messages)))
		return p.publishEach(ctx, messages) // a server without atomic batches
	case errors.As(err, &refused) && slices.Contains(notAsBatch, refused.ErrorCode):
		p.bus.oneByOne.Add(uint64(len(messages)))
		return p.publishEach(ctx, messages)
	}
	return err
}

// publishEach puts one message after the other, without waiting for each.
func (p *Publisher) publishEach(ctx context.Context, messages []*nats.Msg) error {
	ofBatch := []string{jetstreamext.BatchIDHeader, jetstreamext.BatchSeqHeader, jetstreamext.BatchCommitHeader}
	var acks []jetstream.PubAckFuture
	for i, m := range messages {
		if i >= asyncWindow { // nats.go gives a full window 200 ms; a disk may need longer for 256 fsyncs
			if err := p.awaitAck(ctx, acks[i-asyncWindow]); err != nil {
				return err
			}
		}
		for _, header := range ofBatch {
			m.Header.Del(header)
		}
		m.Reply = ""
		ack, err := p.bus.stream.PublishMsgAsync(m)
		if err != nil {
			return err
		}
		acks = append(acks, ack)
	}
	for _, ack := range acks[max(0, len(acks)-asyncWindow):] {
		if err := p.awaitAck(ctx, ack); err != nil {
			return err
		}
	}
	return nil
}

// awaitAck waits for the acknowledgement of one publication.
func (p *Publisher) awaitAck(ctx context.Context, ack jetstream.PubAckFuture) error {
	select {
	case put := <-ack.Ok():
		p.bus.acknowledged(put.Stream, put.Sequence)
		return nil
	case err := <-ack.Err():
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// publishError sorts what came of a publication: no room, too large, or, in doubt, something that may pass.
func (p *Publisher) publishError(ctx context.Context, purpose string, err error) error {
	if errors.Is(err, nats.ErrMaxPayload) { // the server was set to less since the connection was made
		return fmt.Errorf("bus: publish: %w", store.ErrTooLarge)
	}
	var refused *jetstream.APIError
	if errors.As(err, &refused) {
		switch {
		case refused.ErrorCode == codeStoreFailed && refused.Description == "maximum bytes exceeded":
			return fmt.Errorf("bus: publish: %w", store.ErrFull)
		case refused.ErrorCode == codeMessageTooLarge, refused.ErrorCode == codeHeaderTooLarge:
			return fmt.Errorf("bus: publish: %w", store.ErrTooLarge)
		}
	}
	return p.bus.fault(ctx, purpose, "publish", err)
}
