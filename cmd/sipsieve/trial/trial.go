// Package trial reads tests of a policy and compares the excerpts that each expects with those that the policy makes.
//
// # Archive
//
// A Test is one file in the format txtar: lines of comment, then files, each behind a line "-- NAME --".
//
//	capture.flow          the capture as a ladder, one message a line: see package ladder
//	capture.pcap.base64   or as a capture file (pcap or pcapng), in base64
//	policy.toml           the policy, optional
//	config.toml           the configuration, optional: its site, sensor, region and trunks
//	PURPOSE.jsonl         the excerpts that a purpose publishes, one JSON object a line
//
// A line of the comment "capture: PATH", "policy: PATH" or "config: PATH" names a file beside the archive instead.
//
// # Comparison
//
// An expected excerpt with an id is compared with the published one of that id and stage, any other with the next in the
// order of publication. The value "*" is equal to every value. Keys of the envelope may be left out; every other key
// that is published must be expected. A purpose without a file must publish nothing.
package trial

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"

	"sipsieve/capture/ladder"
	"sipsieve/capture/wire"
)

// Names of files of an archive.
const (
	flowFile   = "capture.flow"
	pcapFile   = "capture.pcap.base64"
	policyFile = "policy.toml"
	configFile = "config.toml"
	expected   = ".jsonl" // behind the name of a purpose
)

// A Test is a capture, a policy and the excerpts expected of it.
type Test struct {
	path    string
	archive *txtar.Archive
	beside  map[string]string // path by "capture", "policy" or "config"
}

// A File is a part of a Test: Data if it stands in the archive, else that at Path. Both are zero without such a part.
type File struct {
	Name string // for messages
	Data []byte
	Path string
}

// Read reads the test at path. An error names the file, and says what is missing or unknown in it.
func Read(path string) (*Test, error) {
	a, err := txtar.ParseFile(path)
	if err != nil {
		return nil, fmt.Errorf("policy test: %w", err)
	}
	t := &Test{path: path, archive: a, beside: map[string]string{}}
	for line := range strings.Lines(string(a.Comment)) {
		key, name, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name = strings.TrimSpace(name); slices.Contains([]string{"capture", "policy", "config"}, key) && name != "" {
			if !filepath.IsAbs(name) {
				name = filepath.Join(filepath.Dir(path), name)
			}
			t.beside[key] = name
		}
	}
	return t, t.check()
}

// check returns what is wrong with the files of t.
func (t *Test) check() error {
	seen := map[string]bool{}
	for _, f := range t.archive.Files {
		known := slices.Contains([]string{flowFile, pcapFile, policyFile, configFile}, f.Name)
		switch {
		case !known && !strings.HasSuffix(f.Name, expected):
			return fmt.Errorf("%s: %q: want %s or %s, %s, %s, or PURPOSE%s", t.path, f.Name, flowFile, pcapFile, policyFile,
				configFile, expected)
		case seen[f.Name]:
			return fmt.Errorf("%s: %s stands twice", t.path, f.Name)
		}
		seen[f.Name] = true
	}
	captures := 0
	for _, there := range []bool{seen[flowFile], seen[pcapFile], t.beside["capture"] != ""} {
		if there {
			captures++
		}
	}
	switch {
	case captures != 1:
		return fmt.Errorf("%s: want one capture: %s, %s, or a line \"capture: PATH\" above the files", t.path, flowFile, pcapFile)
	case seen[policyFile] && t.beside["policy"] != "":
		return fmt.Errorf("%s: want %s or a line \"policy: PATH\", not both", t.path, policyFile)
	case seen[configFile] && t.beside["config"] != "":
		return fmt.Errorf("%s: want %s or a line \"config: PATH\", not both", t.path, configFile)
	}
	return nil
}

// Policy returns the policy under test, zero for the shipped one.
func (t *Test) Policy() File { return t.file(policyFile, "policy") }

// Config returns the configuration, zero if there is none.
func (t *Test) Config() File { return t.file(configFile, "config") }

// Capture returns the capture file. An error names the line that cannot be read.
func (t *Test) Capture() (File, error) {
	if f := t.file(flowFile, "capture"); f.Data != nil {
		frames, err := ladder.Frames(f.Data)
		var b bytes.Buffer
		if err == nil && len(frames) == 0 {
			err = errors.New("no message")
		}
		if err == nil {
			err = wire.WritePcap(&b, frames)
		}
		if err != nil {
			return File{}, t.ladderError(err)
		}
		f.Data = b.Bytes()
		return f, nil
	}
	f := t.file(pcapFile, "capture")
	if f.Data == nil {
		return f, nil
	}
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(f.Data)), ""))
	if err != nil {
		return File{}, fmt.Errorf("%s: %w", f.Name, err)
	}
	f.Data = data
	return f, nil
}

// ladderError returns an error of the ladder of t with its line in the archive.
func (t *Test) ladderError(err error) error {
	var one *ladder.Error
	if !errors.As(err, &one) {
		return fmt.Errorf("%s: %s: %w", t.path, flowFile, err)
	}
	return fmt.Errorf("%s:%d: %s: %w", t.path, t.line(t.index(flowFile))+one.Line-1, flowFile, one.Err)
}

// Purposes returns the names of the purposes of which excerpts are expected, in the order of the archive.
func (t *Test) Purposes() (names []string) {
	for _, f := range t.archive.Files {
		if name, ok := strings.CutSuffix(f.Name, expected); ok {
			names = append(names, name)
		}
	}
	return names
}

// Expect sets the excerpts expected of a purpose to bodies: none if it publishes nothing. Values of the key policy, which
// change with every edit of the policy, become "*".
func (t *Test) Expect(purpose string, bodies [][]byte) {
	var text []byte
	for _, b := range bodies {
		text = append(append(text, anyPolicy(b)...), '\n')
	}
	i := t.index(purpose + expected)
	switch {
	case i < 0 && len(text) > 0:
		t.archive.Files = append(t.archive.Files, txtar.File{Name: purpose + expected, Data: text})
	case i >= 0:
		t.archive.Files[i].Data = text
	}
}

// Write writes t to its file. Files and comment that Expect did not set stay as they are.
func (t *Test) Write() error {
	if err := os.WriteFile(t.path, txtar.Format(t.archive), 0o644); err != nil {
		return fmt.Errorf("policy test: %w", err)
	}
	return nil
}

// Compare returns how the published bodies of a purpose differ from the expected ones, one line a difference, each with
// the file, the line and the key. An error is an expected line that is no JSON object.
func (t *Test) Compare(purpose string, bodies [][]byte) (differences []string, err error) {
	want, err := t.expected(purpose)
	if err != nil {
		return nil, err
	}
	have := make([]*excerpt, len(bodies))
	for i, b := range bodies {
		values, err := decode(b)
		if err != nil {
			return nil, fmt.Errorf("%s: a published excerpt: %w", purpose, err)
		}
		have[i] = &excerpt{values: values}
	}
	pair(want, have)
	for _, w := range want {
		where := fmt.Sprintf("%s:%d: %s", t.path, w.line, purpose)
		if w.paired == nil {
			differences = append(differences, where+": not published: "+w.name())
			continue
		}
		for _, d := range w.differences() {
			differences = append(differences, where+": "+d)
		}
	}
	for _, h := range have {
		if h.paired == nil {
			differences = append(differences, fmt.Sprintf("%s: %s: published and not expected: %s", t.path, purpose, h.name()))
		}
	}
	return differences, nil
}

// expected returns the excerpts expected of a purpose, without empty lines and those that begin with #.
func (t *Test) expected(purpose string) (want []*excerpt, err error) {
	i := t.index(purpose + expected)
	if i < 0 {
		return nil, nil
	}
	line := t.line(i)
	for text := range bytes.Lines(t.archive.Files[i].Data) {
		if text = bytes.TrimSpace(text); len(text) > 0 && text[0] != '#' {
			values, err := decode(text)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %s%s: want one JSON object a line: %w", t.path, line, purpose, expected, err)
			}
			want = append(want, &excerpt{line: line, values: values})
		}
		line++
	}
	return want, nil
}

// file returns the file of that name, or that beside the archive.
func (t *Test) file(name, beside string) File {
	if i := t.index(name); i >= 0 {
		return File{Name: t.path + ": " + name, Data: t.archive.Files[i].Data}
	}
	return File{Name: t.beside[beside], Path: t.beside[beside]}
}

// index returns the index of a file of the archive, -1 if it is not there.
func (t *Test) index(name string) int {
	return slices.IndexFunc(t.archive.Files, func(f txtar.File) bool { return f.Name == name })
}

// line returns the line of the archive at which the content of file i begins, counted from 1.
func (t *Test) line(i int) int {
	n := bytes.Count(t.archive.Comment, []byte("\n"))
	for _, f := range t.archive.Files[:i] {
		n += 1 + bytes.Count(f.Data, []byte("\n"))
	}
	return n + 2
}
