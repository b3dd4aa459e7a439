package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"
	"sync"

	"sipsieve/capture/pcap"
	"sipsieve/cmd/sipsieve/config"
)

// troubles are why sources, or other inputs such as http.listen, are not read, by key.
type troubles struct {
	config *config.Config
	log    *slog.Logger

	mu   sync.Mutex
	list map[string]string // under mu
}

func newTroubles(c *config.Config, log *slog.Logger) *troubles {
	return &troubles{config: c, log: log, list: map[string]string{}}
}

// Trouble logs and keeps what kept a source, or a file of it, from being read, or from being read to its end.
func (t *troubles) Trouble(source, what string, err error) {
	text := t.unnamed(source, err)
	t.log.Warn(what, "source", source, "err", text)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list[source] = text
}

// Recovered logs that what kept a source from being read is over.
func (t *troubles) Recovered(source, what string) {
	t.log.Info(what, "source", source)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.list, source)
}

// Troubles returns a copy of what is not over.
func (t *troubles) Troubles() map[string]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.list)
}

// unnamed returns the text of err without the name of a capture file: whoever named the file may have named a person.
// A file of a folder is given by its inode, which ls -i shows.
func (t *troubles) unnamed(source string, err error) string {
	text := err.Error()
	for i := range t.config.Source {
		if s := &t.config.Source[i]; s.Type == "file" && config.SourceKey(i) == source {
			text = strings.ReplaceAll(text, "pcap: "+filepath.Base(s.Path)+":", "pcap: the file:")
		}
	}
	var of *pcap.FileError
	if errors.As(err, &of) {
		text = strings.ReplaceAll(text, "pcap: "+of.File.Name+":", fmt.Sprintf("pcap: the file with inode %d:", of.File.Inode))
	}
	return text
}
