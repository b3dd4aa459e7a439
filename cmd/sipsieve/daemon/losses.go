package daemon

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"sipsieve/capture"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/store"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

// lossRecords makes the records of what one place has not: rows that a store lost, excerpts that it or the hub refused.
// They are put there and nowhere else, under a sensor name of their own: what a sensor publishes is counted without gaps.
// It may be used by several goroutines.
type lossRecords struct {
	site, sensor string

	mu     sync.Mutex
	policy *policy.Policy // its own, under mu: a Purpose is used by one goroutine
}

// newLossRecords returns the lossRecords of the host of s.
func newLossRecords(s *config.Setup) (*lossRecords, error) {
	p, err := s.Policy.Copy() // what was read and approved: the file may have changed since
	if err != nil {
		return nil, err
	}
	keysOf := func(purpose string, epoch time.Duration) policy.Keys {
		return lossKeys{s.Vault.Purpose(purpose, epoch), purpose}
	}
	if err := p.Bind(keysOf); err != nil {
		return nil, err
	}
	return &lossRecords{site: s.Site, sensor: s.Sensor, policy: p}, nil
}

// of returns the record of a loss of a purpose at a place, with the same id for the same Event: none for a purpose that
// the policy has not.
func (r *lossRecords) of(place, purpose string, lost cpni.Loss) []policy.Excerpt {
	r.mu.Lock()
	defer r.mu.Unlock()
	if purpose == store.Ops {
		return r.window(place, purpose, lost)
	}
	u, ok := r.policy.Purpose(purpose)
	if !ok {
		return nil
	}
	record := cpni.OfLoss(lost)
	record.Site, record.Sensor, record.Received = r.site, lossSensor(place, r.sensor), time.Now()
	record.Source = capture.Interface.String()
	x, ok := u.Minimise(nil, &record)
	if !ok {
		return nil
	}
	return []policy.Excerpt{x}
}

// ofStore returns the records of what the store of this host has not: that of the purpose, and a loss window for who
// audits it.
func (r *lossRecords) ofStore(purpose string, lost cpni.Loss) []policy.Excerpt {
	xs := r.of(PlaceStore, purpose, lost)
	if purpose != store.Ops {
		xs = append(xs, r.window(PlaceStore, purpose, lost)...)
	}
	for i := range xs { // what comes from no stream is in the order of its putting
		xs[i].Published = policy.Sequence{Stream: time.Now().UnixNano(), Number: 1}
	}
	return xs
}

// window returns the loss window of a loss; none if a name is not as store.CheckName has it.
func (r *lossRecords) window(place, purpose string, lost cpni.Loss) []policy.Excerpt {
	one := store.OpsRecord{Kind: store.LossWindow, Site: r.site, Sensor: lossSensor(place, r.sensor), From: lost.From,
		To: lost.To, Policy: r.policy.Hash(), Expires: r.policy.LongestExpiry(lost.To), Purpose: purpose, Count: lost.Count,
		Reason: lost.Reason, Event: store.OpsEvent(lost.Event)}
	x, err := one.Excerpt()
	if err != nil {
		return nil
	}
	return []policy.Excerpt{x}
}

// lossSensor returns the sensor of records of what a place of a host lost, a name as store.CheckName has it. One that is
// too long ends with a part of its hash, so that hosts whose names begin alike have each their own.
func lossSensor(place, sensor string) string {
	const most, hashed = 32, 4 // characters of a name, bytes of the hash
	name := place + "-" + sensor
	if len(name) <= most {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:most-2*hashed-1] + "-" + hex.EncodeToString(sum[:hashed])
}

// lossKeys makes ids without a key: a loss is of nobody, and a storage host may have no keys that outlive a restart.
type lossKeys struct {
	policy.Keys
	purpose string
}

// ID returns 26 characters of base32.
func (k lossKeys) ID(parts ...[]byte) string {
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\x00", k.purpose)
	for _, part := range parts {
		hash.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		hash.Write(part)
	}
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(hash.Sum(nil)[:16])
	return strings.ToLower(text)
}
