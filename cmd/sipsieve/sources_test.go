package main

import (
	"fmt"
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
		s := sourceConfig{Ring: c.ring, Block: c.block, Retire: c.retire}
		blocks, _ := s.blocks()
		size, _ := s.blockSize()
		if wait, _ := s.retire(); blocks != c.blocks || size != c.size || wait != c.wait {
			t.Errorf("%+v: got %d blocks of %d bytes, %v", c, blocks, size, wait)
		}
	}
}
