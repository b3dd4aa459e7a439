package vault

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// keyFileIn makes a key file in a new folder, a day old.
func keyFileIn(t *testing.T) (path string, made time.Time) {
	t.Helper()
	path, made = filepath.Join(t.TempDir(), "keys.toml"), time.Now().Add(-24*time.Hour).Truncate(time.Second)
	if err := Create(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, made, made); err != nil {
		t.Fatal(err)
	}
	return path, made
}

func TestABackupOfKeysMakesTheSame(t *testing.T) {
	path, made := keyFileIn(t)
	dir := filepath.Join(t.TempDir(), "copies")
	c, err := Backup(path, dir)
	if err != nil {
		t.Fatal(err)
	}
	want, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Load(filepath.Join(dir, "keys.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Purpose("billing", 0).ID([]byte("a")) != want.Purpose("billing", 0).ID([]byte("a")) || c.ID != want.Fingerprint() || !c.Made.Equal(made) {
		t.Errorf("copy = %+v, want the keys %s of %v", c, want.Fingerprint(), made)
	}
	for name, mode := range map[string]os.FileMode{dir: 0o700, c.Path: 0o600} {
		if stat, err := os.Stat(name); err != nil || stat.Mode().Perm() != mode || name == c.Path && !stat.ModTime().Equal(made) {
			t.Errorf("%s: %v %v, want mode %v, and the time of the key file", name, stat.Mode(), stat.ModTime(), mode)
		}
	}
	other, _ := keyFileIn(t)
	if _, err := Backup(other, dir); err == nil || !strings.Contains(err.Error(), "there already") {
		t.Errorf("error = %v, want that it is there already", err)
	}
	if again, err := Load(c.Path); err != nil || again.Fingerprint() != c.ID {
		t.Errorf("the copy was changed: %v", err)
	}
}

func TestABackupOfKeysIsReadByNobodyElse(t *testing.T) {
	path, _ := keyFileIn(t)
	open, file, alien := filepath.Join(t.TempDir(), "open"), filepath.Join(t.TempDir(), "file"), filepath.Join(t.TempDir(), "alien")
	if err := errors.Join(os.Mkdir(open, 0o750), os.WriteFile(file, nil, 0o600), os.Mkdir(alien, 0o700)); err != nil {
		t.Fatal(err)
	}
	refused := []string{open, file, filepath.Join(t.TempDir(), "none", "copies")}
	if os.Chown(alien, 65534, 65534) == nil {
		refused = append(refused, alien)
	}
	for _, dir := range refused {
		_, err := Backup(path, dir)
		if err == nil {
			t.Errorf("%s: no error", dir)
		}
		if _, err := os.Stat(filepath.Join(dir, "keys.toml")); err == nil {
			t.Errorf("%s: has a copy", dir)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Backup(path, filepath.Join(t.TempDir(), "copies")); !errors.Is(err, ErrMode) {
		t.Errorf("error = %v, want ErrMode", err)
	}
}

// TestACopyThatDiffersIsFound has another key file in the place of the copy.
func TestACopyThatDiffersIsFound(t *testing.T) {
	path, _ := keyFileIn(t)
	other, _ := keyFileIn(t)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := compare(other, text, keys); !errors.Is(err, ErrDiffers) {
		t.Errorf("error = %v, want ErrDiffers", err)
	}
	if err := compare(path, append(bytes.Clone(text), '\n'), keys); !errors.Is(err, ErrDiffers) {
		t.Errorf("error = %v, want ErrDiffers", err)
	}
}
