package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"sipsieve/capture"
	"sipsieve/capture/pcap"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/cmd/sipsieve/source"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
	"sipsieve/store/policy/risk"
)

// riskFlags are the settings of the verb policy risk.
type riskFlags struct {
	config, policy, format string
	files                  []string
	feed                   source.HEP
}

func riskCommand() *cobra.Command {
	var f riskFlags
	cmd := &cobra.Command{
		Use:   "risk --pcap FILE [flags]",
		Short: "measure on a capture file how far records single out a call, and join across purposes",
		Long: fmt.Sprintf(`Risk makes the records of each purpose of a capture file (pcap or pcapng; plain, gzip or zstd), as run would publish
them, and attacks them. No value of the capture is printed.

Uniqueness: the share of records of a purpose whose combination of values, without ids and pseudonyms, no other record
has; and how many records show the same: the median, and the size that 5 %% of the records do not exceed.

Join: somebody has the records of two purposes, their policies, and nothing else. JOINED is the share of the records of
the first purpose, the one with fewer, that are joined with the right record of the second, by the better of two ways.
BY ORDER: both purposes are published in the order of the calls. BY FIELDS: whatever the order, by all that both show,
times and durations as finely as both are kept, answer_time - setup_time with pdd_ms + ring_ms, areas, trunks, codes;
WRONG are those joined with another record. "without duration_ms 61 %%" is the share by fields that is left if
duration_ms could not be compared.

The figures are those of this file: with more calls at a time fewer are unique. Take an hour of your own traffic. Of each
kind the first %d records are measured; what was left out is counted.

Exit codes: 0 with figures; 1 for a file that cannot be read to its end; 2 for a file, flag or policy that is refused;
3 for a policy that requires what this version does not offer.`, risk.MostRecords),
		Example: `  # how far do the purposes of the shipped policy keep apart what they know of one call?
  sipsieve policy risk --pcap trunk.pcap

  # the same of a draft, with the trunks of the configuration, for a program
  sipsieve policy risk --pcap trunk.pcap --policy draft.toml --config sipsieve.toml --format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.measure(cmd) },
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.files, "pcap", nil, "capture `file`; several are merged by packet time")
	fl.StringVar(&f.policy, "policy", "", "policy `file` (default: the shipped policy)")
	fl.StringVar(&f.config, "config", "", "configuration `file`: its site, sensor, trunks and policy are used")
	fl.StringVar(&f.format, "format", "table", "output `format`: table or json")
	fl.BoolVar(&f.feed.Read, "hep", false, "decode HEP packets in the files, recognised by their content")
	_ = cmd.MarkFlagRequired("pcap")
	return cmd
}

func (f *riskFlags) measure(cmd *cobra.Command) error {
	if f.format != "table" && f.format != "json" {
		return refused(errors.New("format: want table or json"))
	}
	setup, err := f.setup()
	if err != nil {
		return refused(err)
	}
	src, err := source.OpenFiles(f.files, f.feed, 0)
	if err != nil {
		return refused(err)
	}
	study := risk.New(setup.Purposes)
	d := pipeline.New([]capture.Source{src}, setup.Plan(runtime.GOMAXPROCS(0), false))
	excerpts := make([]policy.Excerpt, len(setup.Purposes))
	cut := setup.Follow(cmd.Context(), d, func(r *cpni.Record) {
		for i, p := range setup.Purposes {
			excerpts[i], _ = p.Minimise(nil, r)
		}
		study.Add(excerpts)
	})
	if cut != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), cut)
		if !errors.Is(cut, pcap.ErrTruncated) {
			return findings()
		}
	}
	report, err := study.Measure(cmd.Context())
	if err != nil {
		return fmt.Errorf("risk: %w", err)
	}
	if f.format == "json" {
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetIndent("", "  ")
		return enc.Encode(report)
	}
	return report.Table(cmd.OutOrStdout())
}

// setup reads the policy that f names. The ids of the excerpts do not leave this process, so that their keys may be the
// published ones; the order of the records, and with it the figures, is then the same in every run.
func (f *riskFlags) setup() (*config.Setup, error) {
	cfg := config.Default()
	if f.config != "" {
		var err error
		if cfg, err = config.LoadForReader(f.config); err != nil {
			return nil, err
		}
	}
	if f.policy != "" {
		cfg.Rules.File = f.policy
	}
	cfg.Keys = config.Keys{Demo: true}
	return config.Resolve(cfg)
}
