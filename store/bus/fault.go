// This file has methods of Bus because what a failed call lacked is found by the server's asynchronous errors.

package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
)

// askTimeout is how long the server may take to answer whether it has a stream.
const askTimeout = 5 * time.Second

// inboxRetry is how long after the server refused an inbox the connection is made anew: a subscription is sent with a
// connection only, and the permission may have been given since.
const inboxRetry = 30 * time.Second

// serverErrors are the asynchronous errors of the server: those that are no answer to a call. A missing permission is
// one: the call that needed it would only time out.
type serverErrors struct {
	mu      sync.Mutex
	last    error
	count   uint64
	inbox   error         // why answers cannot be received on this connection; nil if they can, as far as is known
	retry   time.Duration // inboxRetry but for tests; 0 for that
	watches map[*watch]struct{}
}

// A watch is a call that ends when the server refuses a subject that it needs.
type watch struct {
	needs func(subject string) bool
	end   context.CancelCauseFunc
	kind  watchKind
}

// A watchKind is what becomes of a call when the embedded server breaks and is opened anew.
type watchKind uint8

const (
	ofOther watchKind = iota // it ends when the server is opened anew
	ofPut                    // it ends when the server breaks: there will be no answer
	ofTail                   // it goes on with the next connection
)

// deniedSubject matches what nats-server 2.x sends for a missing permission (server/client.go).
var deniedSubject = regexp.MustCompile(`Permissions Violation for (Publish|Subscription) to "([^"]+)"`)

// note is the connection's handler of asynchronous errors.
func (e *serverErrors) note(c *nats.Conn, _ *nats.Subscription, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = err
	e.count++
	denied := deniedSubject.FindStringSubmatch(err.Error())
	if denied == nil || !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	if denied[1] == "Subscription" { // a Bus subscribes to its inbox only
		if e.inbox == nil {
			time.AfterFunc(cmp.Or(e.retry, inboxRetry), func() { e.renew(c) })
		}
		e.inbox = err
	}
	for w := range e.watches {
		if e.inbox != nil || w.needs(denied[2]) {
			w.end(err)
		}
	}
}

// renew makes the connection anew, if its inbox is still refused.
func (e *serverErrors) renew(c *nats.Conn) {
	e.mu.Lock()
	refused := e.inbox != nil
	e.mu.Unlock()
	if refused {
		_ = c.ForceReconnect() // an error is that c was closed
	}
}

// connected forgets what was refused on the connection before.
func (e *serverErrors) connected() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.inbox = nil
}

// interrupt ends the calls of some kinds with err.
func (e *serverErrors) interrupt(err error, kinds ...watchKind) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for w := range e.watches {
		if slices.Contains(kinds, w.kind) {
			w.end(err)
		}
	}
}

// watch returns a context that ends with ctx, or with the server's error when it refuses a subject that needs reports.
func (e *serverErrors) watch(ctx context.Context, needs func(subject string) bool) (context.Context, func()) {
	return e.watchAs(ofOther, ctx, needs)
}

func (e *serverErrors) watchAs(kind watchKind, ctx context.Context, needs func(subject string) bool) (context.Context, func()) {
	ctx, end := context.WithCancelCause(ctx)
	w := &watch{needs, end, kind}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.inbox != nil {
		end(e.inbox)
	}
	if e.watches == nil {
		e.watches = map[*watch]struct{}{}
	}
	e.watches[w] = struct{}{}
	return ctx, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.watches, w)
		end(nil)
	}
}

// LastServerError returns the last asynchronous error of the server, nil if there was none, such as a missing
// permission: one that a Put or a Consumer meets is in their Faults too.
func (b *Bus) LastServerError() error {
	b.errs.mu.Lock()
	defer b.errs.mu.Unlock()
	return b.errs.last
}

// isBroken reports whether err is of the embedded server, which has to be opened anew.
func isBroken(err error) bool { return errors.As(err, new(BrokenError)) }

// fault returns err, of something done for purpose under ctx, as a store.Fault.
func (b *Bus) fault(ctx context.Context, purpose, doing string, err error) error {
	if err == nil {
		return nil
	}
	if why := context.Cause(ctx); errors.Is(why, nats.ErrPermissionViolation) || isBroken(why) {
		err = why
	} else if since, why := b.Away(); !since.IsZero() && !isBroken(err) {
		err = fmt.Errorf("not connected: %w", why)
	}
	cause := causeOf(err)
	if errors.Is(err, nats.ErrNoResponders) {
		cause, err = b.whyNobodyAnswers(ctx, purpose)
	}
	return store.Fault{Purpose: purpose, Cause: cause, Err: fmt.Errorf("bus: %s: %w", doing, err)}
}

// causes are the errors of client and server that are of a cause other than CauseUnavailable.
var causes = map[error]store.Cause{
	nats.ErrPermissionViolation: store.CausePermission, nats.ErrAuthorization: store.CausePermission,
	nats.ErrAuthExpired: store.CausePermission, nats.ErrAuthRevoked: store.CausePermission,
	jetstream.ErrStreamNotFound: store.CauseMissing, jetstream.ErrConsumerNotFound: store.CauseMissing,
	jetstream.ErrConsumerDeleted: store.CauseMissing, jetstream.ErrConsumerDoesNotExist: store.CauseMissing,
	syscall.ENOSPC: store.CauseFull, nats.ErrTimeout: store.CauseTimeout, context.DeadlineExceeded: store.CauseTimeout,
}

// Error codes of the server that mean that a disk, a server or an account has no room (nats-server 2.15,
// server/jetstream_errors_generated.go).
const (
	codeAccountFull jetstream.ErrorCode = 10002
	codeServerFull  jetstream.ErrorCode = 10023
	codeStorageFull jetstream.ErrorCode = 10047
)

// causeOf returns the cause of an error of client or server.
func causeOf(err error) store.Cause {
	for is, cause := range causes {
		if errors.Is(err, is) {
			return cause
		}
	}
	var refused *jetstream.APIError
	if errors.As(err, &refused) {
		switch refused.ErrorCode {
		case codeAccountFull, codeServerFull, codeStorageFull:
			return store.CauseFull
		case codeStoreFailed:
			if strings.Contains(refused.Description, "no space left") { // ENOSPC of the server's disk
				return store.CauseFull
			}
		}
	}
	return store.CauseUnavailable
}

// whyNobodyAnswers returns why there is no answer on a subject of JetStream, by one more request: the stream is missing,
// or JetStream is. For a user who may not send that request it is the stream.
func (b *Bus) whyNobodyAnswers(ctx context.Context, purpose string) (store.Cause, error) {
	name := store.StreamName(purpose)
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer stop()
	ctx, end := b.errs.watch(ctx, func(s string) bool { return s == "$JS.API.STREAM.INFO."+name })
	defer end()
	_, err := b.stream.Stream(ctx, name)
	switch denied := context.Cause(ctx); {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return store.CauseMissing, err
	case errors.Is(denied, nats.ErrPermissionViolation):
		return store.CauseMissing, errors.New("no stream takes it")
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrJetStreamNotEnabled),
		errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return store.CauseUnavailable, errors.New("the server has no JetStream")
	case err != nil:
		return causeOf(err), err
	}
	return store.CauseUnavailable, errors.New("the stream has no leader")
}
