package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/plain"
	"sipsieve/cmd/sipsieve/sheet"
	"sipsieve/cmd/sipsieve/source"

	"github.com/spf13/cobra"

	"sipsieve/capture"
	"sipsieve/capture/pcap"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/store/cpni"
)

// replayFlags are the settings of the verb replay.
type replayFlags struct {
	config, policy, purpose, format, keys, ledger string
	strict, demo                                  bool
	speed                                         float64
	shards                                        int
	feed                                          source.HEP
}

func replayCommand() *cobra.Command {
	f := replayFlags{shards: runtime.GOMAXPROCS(0)}
	cmd := &cobra.Command{
		Use:   "replay [flags] FILE...",
		Short: "print the excerpts of capture files; needs no bus and no root",
		Long: `Replay reads capture files (pcap or pcapng; plain, gzip or zstd; - is standard input) through the same pipeline
as run and prints the excerpts that each purpose would publish. Several files are merged by packet time.

Exit codes: 0 also for a file that ends in the middle of a frame; 1 for a file that cannot be read to its end, with
--strict also for a cut file or a refused message; 2 for a file, flag or policy that is refused; 3 for a policy that
requires what this version does not offer.`,
		Example: `  # the excerpts of every enabled purpose of the shipped policy; ids and pseudonyms differ in every run
  sipsieve replay trunk.pcap

  # with the ids and pseudonyms of the fleet's daemons
  sipsieve replay --keys /etc/sipsieve/keys.toml trunk.pcap

  # the excerpts of billing as a table, and the ledger: how every packet and message was counted
  sipsieve replay --purpose billing --format table --ledger ledger.json trunk.pcap

  # a capture of a HEP feed, of all versions
  sipsieve replay --hep-port 9060 feed.pcap

  # the excerpts that a draft policy would publish for the purpose fraud
  sipsieve replay --policy draft.toml --purpose fraud --format csv trunk.pcap.gz > fraud.csv`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error { return f.replay(cmd, files) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.config, "config", "", "configuration `file`: its site, sensor, trunks, policy and keys are used")
	fl.StringVar(&f.policy, "policy", "", "policy `file` (default: the shipped policy)")
	fl.StringVar(&f.purpose, "purpose", "", "print this purpose only (default: every enabled purpose)")
	fl.StringVar(&f.format, "format", "jsonl", "output `format`: "+strings.Join(sheet.Formats, ", "))
	fl.StringVar(&f.keys, "keys", "", "key `file`, made by sipsieve keys init (default: a random key for this run)")
	fl.BoolVar(&f.demo, "demo-keys", false,
		"use the published demonstration keys: ids are equal in every run, and pseudonyms hide nothing")
	fl.StringVar(&f.ledger, "ledger", "", "write the ledger, how every packet and message was counted, to this `file`")
	fl.BoolVar(&f.strict, "strict", false, "exit with 1 if a file is cut or a message was refused")
	fl.Float64Var(&f.speed, "speed", 0, "pace: 1 as captured, 10 ten times as fast (default: as fast as possible)")
	fl.BoolVar(&f.feed.Read, "hep", false, "decode HEP packets in the files, recognised by their content")
	fl.Uint16Var(&f.feed.Port, "hep-port", 0, "decode HEP packets from and to this `port`, of all versions")
	fl.IntVar(&f.shards, "shards", f.shards, "number of shards, one tracker each; the output does not depend on it")
	return cmd
}

func (f *replayFlags) replay(cmd *cobra.Command, files []string) error {
	setup, err := f.setup(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	f.feed.Read = f.feed.Read || f.feed.Port != 0
	src, err := source.OpenFiles(files, f.feed, f.speed)
	if err != nil {
		return refused(err)
	}
	out, err := sheet.New(sheet.Layout{Format: f.format}, plain.Bare(cmd.OutOrStdout()), setup.Purposes) // excerpts are plain
	if err != nil {
		return refused(err)
	}
	plan := setup.Plan(f.shards, false)
	plan.Eager = f.speed > 0 || src.Piped()
	d := pipeline.New([]capture.Source{src}, plan)
	counters := ledger.NewCounters(setup.PurposeNames())
	stop := showProgress(cmd.ErrOrStderr(), cmd.OutOrStdout(), src)
	cut := setup.Follow(cmd.Context(), d, func(r *cpni.Record) {
		for i, p := range setup.Purposes {
			x, ok := p.Minimise(out.Room(), r)
			if !ok {
				continue
			}
			counters.Make(i)
			out.Print(x)
			counters.Acknowledge(i, 1)
		}
		if plan.Eager {
			out.Pass()
		}
	})
	stop()
	if err := out.Flush(); err != nil {
		return fmt.Errorf("replay: standard output: %w", err)
	}
	l := ledger.New()
	c := d.Counts()
	l.AddDomain(&c, setup.Trunks)
	counters.AddTo(l)
	l.Values.Misfits = setup.Records.Misfits()
	l.Numbers.NoRegion = setup.Records.NoRegion()
	return f.close(cmd, l, cut)
}

// close writes the ledger and returns the verb's error; cut is what ended the reading of a file early.
func (f *replayFlags) close(cmd *cobra.Command, l *ledger.Ledger, cut error) error {
	if err := l.Balance(false); err != nil {
		return err
	}
	if f.ledger != "" {
		if err := writeLedger(f.ledger, l); err != nil {
			return refused(err)
		}
	}
	if cut != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), cut)
	}
	if cut != nil && (f.strict || !errors.Is(cut, pcap.ErrTruncated)) {
		return findings()
	}
	if f.strict && l.Messages.Refused.Total() > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "replay: %d messages were refused: --ledger has the reasons\n",
			l.Messages.Refused.Total())
		return findings()
	}
	return nil
}

func writeLedger(path string, l *ledger.Ledger) error {
	w, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return errors.Join(l.Write(w), w.Close())
}

// setup reads the policy and the keys that f names.
func (f *replayFlags) setup(stderr io.Writer) (*config.Setup, error) {
	cfg := config.Default()
	if f.config != "" {
		var err error
		if cfg, err = config.LoadForReader(f.config); err != nil {
			return nil, refused(err)
		}
	}
	if f.policy != "" {
		cfg.Rules.File = f.policy
	}
	if err := f.chooseKeys(&cfg.Keys, stderr); err != nil {
		return nil, refused(err)
	}
	s, err := config.Resolve(cfg)
	if err != nil {
		return nil, refused(err)
	}
	return s, refused(s.Only(f.purpose))
}

// chooseKeys sets k to the keys of the flags, else leaves those of the configuration, else sets random ones. It prints
// a notice for demonstration keys and for random ones.
func (f *replayFlags) chooseKeys(k *config.Keys, stderr io.Writer) error {
	switch {
	case f.keys != "" && f.demo:
		return errors.New("keys: want --keys or --demo-keys, not both")
	case f.keys != "":
		*k = config.Keys{File: f.keys}
	case f.demo:
		*k = config.Keys{Demo: true}
	case k.File == "" && !k.Demo:
		k.Random = true
	}
	switch {
	case k.Demo:
		fmt.Fprintln(stderr, "sipsieve: ids and pseudonyms are made with the published demonstration keys: they hide nothing")
	case k.Random:
		fmt.Fprintln(stderr, "sipsieve: no --keys: ids and pseudonyms are made with a random key and differ in every run")
	}
	return nil
}
