package vault

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"
)

// referenceMAC is HMAC-SHA-256 by RFC 2104, for keys of 64 bytes at most.
func referenceMAC(key, text []byte) []byte {
	var inner, outer [64]byte
	copy(inner[:], key)
	copy(outer[:], key)
	for i := range inner {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	first := sha256.Sum256(append(inner[:], text...))
	second := sha256.Sum256(append(outer[:], first[:]...))
	return second[:]
}

// referenceKey is the first block of HKDF-SHA-256 by RFC 5869, without a salt.
func referenceKey(root []byte, info string) []byte {
	return referenceMAC(referenceMAC(make([]byte, 32), root), append([]byte(info), 1))
}

// referenceText writes 128 bits in groups of five from the left, two zero bits behind them.
func referenceText(b []byte) (text string) {
	n := new(big.Int).Lsh(new(big.Int).SetBytes(b), 2)
	for range 26 {
		digit := new(big.Int)
		n.DivMod(n, big.NewInt(32), digit)
		text = string("abcdefghijklmnopqrstuvwxyz234567"[digit.Int64()]) + text
	}
	return text
}

// counted returns b behind its length.
func counted(b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// TestPseudonymsAndIDsAreThoseOfTheReference works them out for random keys, purposes, times and values by the RFCs alone.
func TestPseudonymsAndIDsAreThoseOfTheReference(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 8))
	bytes := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return b
	}
	for range 500 {
		ids, pseudonyms := bytes(32), bytes(32)
		k, err := New(ids, pseudonyms)
		if err != nil {
			t.Fatal(err)
		}
		purpose, kind, value := fmt.Sprintf("p%d", rnd.IntN(1e6)), []string{"tel", "id", "host"}[rnd.IntN(3)], bytes(rnd.IntN(40))
		epoch, when := int64(1+rnd.IntN(1<<25)), rnd.Int64N(1<<32)
		p := k.Purpose(purpose, time.Duration(epoch)*time.Second)
		number := fmt.Sprint(when / epoch)
		key := referenceKey(pseudonyms, fmt.Sprintf("sipsieve/9:pseudonym/%d:%s/%d:%s", len(purpose), purpose, len(number), number))
		want := referenceMAC(key, append(counted([]byte(kind)), counted(value)...))[:16]
		mac, word, err := p.MAC(kind, time.Unix(when, 0), value)
		if err != nil || string(mac[:]) != string(want) || word != "e"+number {
			t.Fatalf("pseudonym = %x of %s, %v, want %x of e%s", mac, word, err, want, number)
		}
		key = referenceKey(ids, fmt.Sprintf("sipsieve/2:id/%d:%s", len(purpose), purpose))
		if id, want := p.ID(value, []byte(kind)), referenceText(referenceMAC(key, append(counted(value), counted([]byte(kind))...))[:16]); id != want {
			t.Fatalf("id = %s, want %s", id, want)
		}
	}
}
