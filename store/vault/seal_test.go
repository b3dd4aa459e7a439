package vault

import (
	"bytes"
	"errors"
	"testing"
)

func TestWhatIsSealedOpensUnderItsKeyAtItsPlaceWhole(t *testing.T) {
	s := Demo().Sealer("journal")
	plain, place := []byte("state of a call"), []byte("7")
	sealed := s.Seal([]byte("before"), plain, place)[6:]
	if len(sealed) != len(plain)+Overhead || bytes.Contains(sealed, plain) {
		t.Errorf("sealed = %d bytes of %d", len(sealed), len(plain))
	}
	got, err := Demo().Sealer("journal").Open([]byte("x"), sealed, place)
	if err != nil || string(got) != "xstate of a call" {
		t.Errorf("opened = %q, %v", got, err)
	}
	other, _ := New(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
	for name, err := range map[string]error{
		"another root": second(other.Sealer("journal").Open(nil, sealed, place)),
		"another part": second(Demo().Sealer("spool").Open(nil, sealed, place)),
		"elsewhere":    second(s.Open(nil, sealed, []byte("8"))),
		"cut":          second(s.Open(nil, sealed[:len(sealed)-1], place)),
		"nothing":      second(s.Open(nil, nil, place)),
	} {
		if !errors.Is(err, ErrSealed) {
			t.Errorf("%s: err = %v, want ErrSealed", name, err)
		}
	}
	if again := s.Seal(nil, plain, place); bytes.Equal(again, sealed) {
		t.Error("sealed twice, it is the same")
	}
}

func second(_ []byte, err error) error { return err }
