// Package archive keeps the texts of policies by their hashes: every record names the policy that it was made under, and
// what that policy said can be read for as long as the record is there, and longer.
//
// A host has the texts of its own policies in its state folder, where nothing removes them. A store has those of all
// sensors as records of the stream OPS (store.PolicyText).
package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"sipsieve/store"
	"sipsieve/store/disk"
	"sipsieve/store/policy"
)

const (
	folder    = "policies" // in the state folder
	extension = ".toml"
	hashSize  = 16 // digits
)

// Errors of Find.
var (
	ErrHash    = errors.New("want 1 to 16 of 0-9 and a-f: a hash as records name it under policy, or how it begins")
	ErrUnknown = errors.New("no policy of that hash is known")
	ErrShort   = errors.New("more than one policy has a hash that begins so")
)

// Keep writes the text of p into the state folder, unless it is there. It is durable when Keep returns nil.
func Keep(state string, p *policy.Policy) error {
	dir := filepath.Join(state, folder)
	name := filepath.Join(dir, p.Hash()+extension)
	if text, err := os.ReadFile(name); err == nil && policy.HashOf(text) == p.Hash() {
		return nil
	}
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = errors.Join(disk.ReplaceFile(name, p.Source(), 0o600), disk.SyncDir(state))
	}
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}

// A Query answers a store.Query.
type Query func(context.Context, store.Query) iter.Seq2[store.Item, error]

// Find returns the text of the one policy whose hash begins with prefix: from the state folder, else from the records that
// query answers; nil for no store. What it returns has that hash. The error wraps ErrHash, ErrUnknown, ErrShort, or says
// which file or record has been changed.
func Find(ctx context.Context, state, prefix string, query Query) ([]byte, error) {
	if len(prefix) < 1 || len(prefix) > hashSize || strings.Trim(prefix, "0123456789abcdef") != "" {
		return nil, fmt.Errorf("archive: %w", ErrHash)
	}
	f := finder{prefix: prefix, texts: map[string][]byte{}}
	err := f.folder(filepath.Join(state, folder))
	if whole := f.texts[prefix]; whole == nil && query != nil {
		err = errors.Join(err, f.store(ctx, query))
	}
	switch {
	case len(f.texts) == 1:
		for _, text := range f.texts {
			return text, nil
		}
	case len(f.texts) > 1:
		return nil, fmt.Errorf("archive: %s: %w", prefix, ErrShort)
	case f.changed != nil || err != nil:
		return nil, errors.Join(f.changed, err)
	}
	return nil, fmt.Errorf("archive: %s: %w", prefix, ErrUnknown)
}

// A finder gathers the texts of policies whose hashes begin with prefix.
type finder struct {
	prefix  string
	texts   map[string][]byte // by hash
	changed error             // texts that do not have the hash that they stand under
}

// take adds a text that stands under hash in that place.
func (f *finder) take(place, hash string, text []byte) {
	switch {
	case !strings.HasPrefix(hash, f.prefix):
	case policy.HashOf(text) != hash:
		f.changed = errors.Join(f.changed, fmt.Errorf("archive: %s: the text has another hash: it was changed or is damaged", place))
	default:
		f.texts[hash] = text
	}
}

// folder reads the files of a folder. One that is not there has none.
func (f *finder) folder(dir string) error {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, one := range files {
		hash, ok := strings.CutSuffix(one.Name(), extension)
		if !ok || !strings.HasPrefix(hash, f.prefix) {
			continue
		}
		name := filepath.Join(dir, one.Name())
		text, wrong := os.ReadFile(name)
		if wrong != nil {
			err = errors.Join(err, wrong)
			continue
		}
		f.take(name, hash, text)
	}
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}

// store reads the records of a store.
func (f *finder) store(ctx context.Context, query Query) error {
	for item, err := range query(ctx, store.Query{Purpose: store.Ops, Kind: string(store.PolicyText)}) {
		if err != nil {
			return fmt.Errorf("archive: %w", err)
		}
		r, err := store.ReadOps(item.Body)
		if err != nil {
			return fmt.Errorf("archive: %w", err)
		}
		f.take("record "+r.ID()+" of sensor "+r.Sensor, r.Policy, []byte(r.Text))
	}
	return nil
}
