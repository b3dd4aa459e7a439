package coverage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"sipsieve/store"
	"sipsieve/store/disk"
)

// A state is what the file has of a run.
type state struct {
	there   bool      // there was a file
	damaged bool      // it could not be read
	seen    time.Time // of the stop, or of the last sign of life
	clean   bool      // it was a stop
	waiting []store.OpsRecord
	final   []store.OpsRecord // what is to be put if no stop was
	text    policyText
}

// A policyText is when the text of a policy was put last.
type policyText struct {
	Policy string    `json:"policy"` // hash; "" if none was
	Put    time.Time `json:"put"`
}

// A stateFile is a state as the file has it.
type stateFile struct {
	Version int               `json:"v"`
	Seen    time.Time         `json:"seen"`
	Clean   bool              `json:"clean"`
	Waiting []json.RawMessage `json:"waiting"` // bodies
	Final   []json.RawMessage `json:"final"`
	Text    policyText        `json:"text"`
}

// stateVersion is the version of stateFile.
const stateVersion = 1

// readState reads the file at path. Of one that is damaged the last sign of life is when it was written.
func readState(path string) (s state, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("coverage: %w", err)
	}
	s.there = true
	var f stateFile
	err = json.Unmarshal(text, &f)
	if err == nil && f.Version > stateVersion {
		return s, fmt.Errorf("coverage: %s: written by a newer sipsieve (version %d, this one reads %d)", path, f.Version, stateVersion)
	}
	if err == nil {
		s.waiting, err = readRecords(f.Waiting)
	}
	if err == nil {
		s.final, err = readRecords(f.Final)
	}
	if err != nil {
		st, err := os.Stat(path)
		if err != nil {
			return s, fmt.Errorf("coverage: %w", err)
		}
		return state{there: true, damaged: true, seen: st.ModTime()}, nil
	}
	s.seen, s.clean, s.text = f.Seen, f.Clean, f.Text
	return s, nil
}

func readRecords(bodies []json.RawMessage) (list []store.OpsRecord, err error) {
	for _, body := range bodies {
		r, err := store.ReadOps(body)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// left returns what the run did not put.
func (s *state) left() []store.OpsRecord {
	if s.clean {
		return s.waiting
	}
	return slices.Concat(s.waiting, s.final)
}

// write replaces the file at path. It outlives a crash of the host.
func (s *state) write(path string) error {
	f := stateFile{Version: stateVersion, Seen: s.seen, Clean: s.clean, Text: s.text}
	for _, part := range []struct {
		records []store.OpsRecord
		bodies  *[]json.RawMessage
	}{{s.waiting, &f.Waiting}, {s.final, &f.Final}} {
		for i := range part.records {
			x, err := part.records[i].Excerpt()
			if err != nil {
				return err
			}
			*part.bodies = append(*part.bodies, x.Body())
		}
	}
	text, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("coverage: %w", err)
	}
	if err := disk.ReplaceFile(path, text, 0o600); err != nil {
		return fmt.Errorf("coverage: %w", err)
	}
	return nil
}
