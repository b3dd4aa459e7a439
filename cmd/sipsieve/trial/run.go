package trial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"sipsieve/capture"
	"sipsieve/capture/pcap"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/cmd/sipsieve/source"
	"sipsieve/store/cpni"
)

// Options are how a Test is run.
type Options struct {
	Policy string // path of the policy, instead of that of the Test; "" for that
	Update bool   // write the excerpts into the Test instead of comparing them
}

// A Result is what came of a Test.
type Result struct {
	Differences []string // one line each; none with Update
	Published   []string // "PURPOSE 2": excerpts of each purpose that published any
}

// Run compares the test at path; with Update it writes its file. An error wraps policy.ErrNotBuilt if the policy requires
// what this version does not offer.
func Run(ctx context.Context, path string, how Options) (r Result, err error) {
	t, err := Read(path)
	if err != nil {
		return r, err
	}
	setup, err := setupOf(t, how.Policy)
	if err != nil {
		return r, err
	}
	for _, name := range t.Purposes() {
		if !slices.Contains(setup.PurposeNames(), name) {
			return r, fmt.Errorf("%s: %s.jsonl: %w", path, name, setup.UnknownPurpose())
		}
	}
	if len(t.Purposes()) == 0 && !how.Update {
		return r, fmt.Errorf("%s: it expects no excerpts: want a file PURPOSE.jsonl, which --update writes", path)
	}
	bodies, err := excerptsOf(ctx, t, setup)
	if err != nil {
		return r, err
	}
	for _, name := range setup.PurposeNames() {
		if n := len(bodies[name]); n > 0 {
			r.Published = append(r.Published, fmt.Sprintf("%s %d", name, n))
		}
		if how.Update {
			t.Expect(name, bodies[name])
			continue
		}
		lines, err := t.Compare(name, bodies[name])
		if err != nil {
			return r, err
		}
		r.Differences = append(r.Differences, lines...)
	}
	if how.Update {
		return r, t.Write()
	}
	return r, nil
}

// setupOf reads the policy at path, else that of t, and the configuration of t. Its keys are the demonstration keys.
func setupOf(t *Test, path string) (*config.Setup, error) {
	cfg, err := config.Default(), error(nil)
	switch c := t.Config(); {
	case c.Data != nil:
		cfg, err = config.ParseForReader(c.Name, c.Data)
	case c.Path != "":
		cfg, err = config.LoadForReader(c.Path)
	}
	if err != nil {
		return nil, err
	}
	cfg.Keys = config.Keys{Demo: true}
	p := t.Policy()
	switch {
	case path != "":
		cfg.Rules.File = path
	case p.Data != nil:
		return config.ResolveText(cfg, p.Name, p.Data)
	case p.Path != "":
		cfg.Rules.File = p.Path
	}
	return config.Resolve(cfg)
}

// excerptsOf returns the excerpts that each purpose makes of the capture of t. A capture that cannot be read to its end
// is an error.
func excerptsOf(ctx context.Context, t *Test, setup *config.Setup) (map[string][][]byte, error) {
	file, err := t.Capture()
	if err != nil {
		return nil, err
	}
	var src capture.Source
	if file.Data != nil {
		src, err = pcap.New(file.Name, bytes.NewReader(file.Data), pcap.DefaultConfig())
	} else {
		src, err = source.OpenFiles([]string{file.Path}, source.HEP{}, 0)
	}
	if err != nil {
		return nil, err
	}
	bodies := map[string][][]byte{}
	d := pipeline.New([]capture.Source{src}, setup.Plan(1, false))
	err = setup.Follow(ctx, d, func(r *cpni.Record) {
		for _, p := range setup.Purposes {
			if x, ok := p.Minimise(nil, r); ok {
				bodies[p.Name] = append(bodies[p.Name], x.Body())
			}
		}
	})
	return bodies, errors.Join(err, ctx.Err())
}
