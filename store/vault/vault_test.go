package vault

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var newYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestPurposesShareNoIDAndNoPseudonym(t *testing.T) {
	billing, fraud := Demo().Purpose("billing", 0), Demo().Purpose("fraud", 0)
	if billing.ID([]byte("a")) == fraud.ID([]byte("a")) {
		t.Error("two purposes share an id")
	}
	a, _, _ := billing.MAC("tel", newYear, []byte("a"))
	b, _, _ := fraud.MAC("tel", newYear, []byte("a"))
	c, _, _ := billing.MAC("id", newYear, []byte("a"))
	if a == b || a == c {
		t.Error("two purposes, or two kinds, share a pseudonym")
	}
}

func TestPseudonymsChangeWithTheEpochAndNotBefore(t *testing.T) {
	k := Demo().Purpose("fraud", 7*24*time.Hour)
	at := time.Unix(7*86400*2900, 0)
	a, epoch, _ := k.MAC("tel", at, []byte("a"))
	b, same, _ := k.MAC("tel", at.Add(7*24*time.Hour-time.Second), []byte("a"))
	c, next, _ := k.MAC("tel", at.Add(7*24*time.Hour), []byte("a"))
	if a != b || epoch != "e2900" || same != epoch || a == c || next != "e2901" {
		t.Errorf("epochs = %s, %s, %s, want e2900 twice and then another", epoch, same, next)
	}
}

func TestWhereOnePartEndsMakesADifference(t *testing.T) {
	k := Demo().Purpose("billing", 0)
	id := k.ID([]byte("ab"), []byte("c"))
	if id == k.ID([]byte("a"), []byte("bc")) || len(id) != 26 || strings.ToLower(id) != id {
		t.Errorf("id = %s", id)
	}
}

func TestManyEpochsAreForgottenAndMadeAgain(t *testing.T) {
	k := Demo().Purpose("fraud", time.Hour)
	first, _, _ := k.MAC("tel", newYear, []byte("a"))
	for i := range 3 * maxMACs {
		_, _, _ = k.MAC("tel", newYear.Add(time.Duration(i)*time.Hour), []byte("a"))
	}
	again, _, _ := k.MAC("tel", newYear, []byte("a"))
	if first != again || len(k.macs) > maxMACs {
		t.Errorf("keys remembered = %d, want at most %d and the same pseudonym", len(k.macs), maxMACs)
	}
}

func TestKeyFileIsItsOwnersOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.toml")
	if err := Create(path); err != nil {
		t.Fatal(err)
	}
	a, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if a.Purpose("x", 0).ID(nil) == Demo().Purpose("x", 0).ID(nil) {
		t.Error("new keys are the demonstration keys")
	}
	if err := Create(path); err == nil {
		t.Error("a key file was written over")
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); !errors.Is(err, ErrMode) {
		t.Errorf("err = %v, want ErrMode", err)
	}
}

func TestBrokenKeyFileIsNotQuoted(t *testing.T) {
	for _, text := range []string{"", "canary", "version = 1\nid-root = \"canary\"\npseudonym-root = \"canary\"",
		"version = 1\ncanary = 1", "version = 2"} {
		path := filepath.Join(t.TempDir(), "keys.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); !errors.Is(err, ErrContent) || strings.Contains(err.Error(), "canary") {
			t.Errorf("err = %v, want ErrContent alone", err)
		}
	}
}

func BenchmarkMAC(b *testing.B) {
	k := Demo().Purpose("fraud", 0)
	b.ReportAllocs()
	for b.Loop() {
		_, _, _ = k.MAC("tel", newYear, []byte("+13035550100"))
	}
}

func BenchmarkID(b *testing.B) {
	k := Demo().Purpose("fraud", 0)
	b.ReportAllocs()
	for b.Loop() {
		_ = k.ID([]byte("1-10512@10.9.1.2"), []byte("10512A1"), []byte("2026-11-24"))
	}
}
