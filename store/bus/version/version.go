// Package version is that of the folder of an embedded bus.
package version

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"sipsieve/store/disk"
)

// Now is the version of the folder of an embedded bus. The first one had no marks and no file with its version;
// it opens as it is.
const Now = 2

// ErrNewer is the cause when a folder was written by a later version of this program.
var ErrNewer = errors.New("written by a later version")

// Read returns the version of the folder of an embedded bus, 1 if it has none. A later one than Now
// is an error that wraps ErrNewer.
func Read(dir string) (int, error) {
	name := filepath.Join(dir, "version")
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("bus: %w", err)
	}
	lines := strings.Fields(string(text))
	if len(lines) != 2 || lines[0] != lines[1] { // damaged
		return Now, nil
	}
	version, err := strconv.Atoi(lines[0])
	if err != nil {
		return Now, nil
	}
	if version > Now {
		return 0, fmt.Errorf("bus: %s: %w: it is %d, this program reads up to %d: start the later program again", dir,
			ErrNewer, version, Now)
	}
	return version, nil
}

// Write makes the folder one of Now. The file has it twice, so that a damaged bit makes no later version.
func Write(dir string) error {
	name := filepath.Join(dir, "version")
	if err := disk.ReplaceFile(name, fmt.Appendf(nil, "%d\n%[1]d\n", Now), 0o600); err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	return nil
}
