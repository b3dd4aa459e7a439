package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSettingsOfARingAreCheckedTogether reads ring, block and retire as a source has them.
func TestSettingsOfARingAreCheckedTogether(t *testing.T) {
	for _, c := range []struct {
		ring, block, retire string
		blocks, size        int
		wait                time.Duration
		wrong               string // the key that is complained of
	}{
		{"", "", "", 32, 1 << 20, 60 * time.Millisecond, ""},
		{"8MiB", "128KiB", "10ms", 64, 128 << 10, 10 * time.Millisecond, ""},
		{"", "4MiB", "1s", 8, 4 << 20, time.Second, ""},
		{"1MiB", "", "", 0, 0, 0, "ring"},
		{"3MiB", "2MiB", "", 0, 0, 0, "ring"},
		{"2GiB", "", "", 0, 0, 0, "ring"},
		{"", "100KiB", "", 0, 0, 0, "block"},
		{"", "3MiB", "", 0, 0, 0, "block"},
		{"", "", "2s", 0, 0, 0, "retire"},
		{"", "", "soon", 0, 0, 0, "retire"},
	} {
		_, err := loadText(t, fmt.Sprintf("[[source]]\ntype = \"interface\"\ninterface = \"lo\"\nring = %q\nblock = %q\nretire = %q\n",
			c.ring, c.block, c.retire))
		says := err != nil && strings.Contains(err.Error(), "source.0."+c.wrong+":")
		if c.wrong != "" && !says || c.wrong == "" && err != nil && strings.Contains(err.Error(), "source.0.") {
			t.Errorf("%+v: err = %v", c, err)
		}
		if c.wrong != "" {
			continue
		}
		s := Source{Ring: c.ring, Block: c.block, Retire: c.retire}
		blocks, _ := s.blocks()
		size, _ := s.blockSize()
		if wait, _ := s.retire(); blocks != c.blocks || size != c.size || wait != c.wait {
			t.Errorf("%+v: got %d blocks of %d bytes, %v", c, blocks, size, wait)
		}
	}
}

// TestAFeedTakesTheCredentialOfItsFilesName passes key and certificate's key as a unit does, which may not read the
// files of root that the configuration names.
func TestAFeedTakesTheCredentialOfItsFilesName(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"hep.key", "tls.key"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("secret\n"), 0o440); err != nil {
			t.Fatal(err)
		}
	}
	s := Source{Type: "hep", KeyFile: "/etc/none/hep.key", PrivateKey: "/etc/none/tls.key"}
	for _, c := range []struct {
		passed, key, private string
		credential           bool
	}{
		{"", "/etc/none/hep.key", "/etc/none/tls.key", false},
		{t.TempDir(), "/etc/none/hep.key", "/etc/none/tls.key", false},
		{dir, filepath.Join(dir, "hep.key"), filepath.Join(dir, "tls.key"), true},
	} {
		t.Setenv("CREDENTIALS_DIRECTORY", c.passed)
		f, err := s.Feed()
		if err != nil || f.KeyFile != c.key || f.PrivateKey != c.private || f.Credential != c.credential {
			t.Errorf("with %q: %q, %q, %t, %v; want %q, %q, %t", c.passed, f.KeyFile, f.PrivateKey, f.Credential, err,
				c.key, c.private, c.credential)
		}
	}
}
