package vault

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"hash"
	"strconv"
	"time"
)

// PurposeKeys make the ids and pseudonyms of one purpose. They are used by one goroutine.
type PurposeKeys struct {
	keys  *Keys
	name  string
	epoch int64 // how long a pseudonym stays the same, in seconds
	ids   hash.Hash
	last  epochMAC           // of the epoch that was asked for last
	macs  map[int64]epochMAC // by the epoch's number
	text  []byte             // that a MAC is made of
	sum   []byte
}

// An epochMAC makes the pseudonyms of one epoch.
type epochMAC struct {
	hash.Hash
	number int64
	word   string
}

const (
	defaultEpoch = 30 * 24 * time.Hour
	maxMACs      = 256 // keys of epochs that are remembered; when it is reached, all are derived anew
)

// Purpose returns the keys of the purpose of that name, whose pseudonyms change after each epoch: a whole number of
// seconds, 30 days if it is less than one.
func (k *Keys) Purpose(name string, epoch time.Duration) *PurposeKeys {
	if epoch < time.Second {
		epoch = defaultEpoch
	}
	return &PurposeKeys{keys: k, name: name, epoch: int64(epoch / time.Second), macs: map[int64]epochMAC{},
		ids: hmac.New(sha256.New, derive(k.ids[:], "id", name))}
}

// MAC returns the pseudonym of value in the epoch of at: HMAC-SHA-256, its first 128 bits, under a key of the purpose
// and that epoch (RFC 2104, RFC 5869). kind keeps equal values of two kinds apart.
func (p *PurposeKeys) MAC(kind string, at time.Time, value []byte) (mac [16]byte, epoch string, err error) {
	h := p.of(at.Unix() / p.epoch)
	p.text = append(binary.BigEndian.AppendUint32(p.text[:0], uint32(len(kind))), kind...)
	p.part(value)
	return [16]byte(p.hash(h.Hash)), h.word, nil
}

// of returns what makes the pseudonyms of the epoch with that number.
func (p *PurposeKeys) of(number int64) epochMAC {
	if p.last.Hash != nil && p.last.number == number {
		return p.last
	}
	h, known := p.macs[number]
	if !known {
		if len(p.macs) >= maxMACs {
			clear(p.macs)
		}
		text := strconv.FormatInt(number, 10)
		h = epochMAC{hmac.New(sha256.New, derive(p.keys.pseudonyms[:], "pseudonym", p.name, text)), number, "e" + text}
		p.macs[number] = h
	}
	p.last = h
	return h
}

// lower is base32 of RFC 4648 in lower case and without padding: 26 characters for 128 bits.
var lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ID returns the record id of the parts: 26 characters of HMAC-SHA-256, its first 128 bits. Two purposes never share
// one; where one part ends and the next begins makes a difference.
func (p *PurposeKeys) ID(parts ...[]byte) string {
	p.text = p.text[:0]
	for _, part := range parts {
		p.part(part)
	}
	var id [26]byte
	lower.Encode(id[:], p.hash(p.ids))
	return string(id[:])
}

// part appends b with its length before it to what the next MAC is made of.
func (p *PurposeKeys) part(b []byte) {
	p.text = append(binary.BigEndian.AppendUint32(p.text, uint32(len(b))), b...)
}

// hash returns the first 128 bits of the MAC by h, and forgets what it is made of.
func (p *PurposeKeys) hash(h hash.Hash) []byte {
	h.Reset()
	h.Write(p.text)
	clear(p.text)
	p.sum = h.Sum(p.sum[:0])
	return p.sum[:16]
}
