package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"sipsieve/capture"
	"sipsieve/capture/pcap"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/cmd/sipsieve/source"
	"sipsieve/store/cpni"
)

// captureFlags are the flags of the verbs that try a policy on captured traffic.
type captureFlags struct {
	config, policy, format string
	files                  []string
	feed                   source.HEP
}

// add adds them to cmd.
func (f *captureFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringArrayVar(&f.files, "pcap", nil, "capture `file`; several are merged by packet time")
	fl.StringVar(&f.policy, "policy", "", "policy `file` (default: the shipped policy)")
	fl.StringVar(&f.config, "config", "", "configuration `file`: its site, sensor, trunks and policy are used")
	fl.StringVar(&f.format, "format", "table", "output `format`: table or json")
	fl.BoolVar(&f.feed.Read, "hep", false, "decode HEP packets in the files, recognised by their content")
	_ = cmd.MarkFlagRequired("pcap")
}

// setup reads the policy that f names. The ids of the excerpts do not leave this process, so that their keys may be the
// published ones; the order of the records, and with it the figures, is then the same in every run.
func (f *captureFlags) setup() (*config.Setup, error) {
	if f.format != "table" && f.format != "json" {
		return nil, errors.New("format: want table or json")
	}
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

// follow calls each with the records of the files. A file that ends in the middle of a packet is said on standard error;
// one that cannot be read on is an error.
func (f *captureFlags) follow(cmd *cobra.Command, s *config.Setup, plan pipeline.Plan, each func(*cpni.Record)) error {
	src, err := source.OpenFiles(f.files, f.feed, 0)
	if err != nil {
		return refused(err)
	}
	cut := s.Follow(cmd.Context(), pipeline.New([]capture.Source{src}, plan), each)
	if cut != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), cut)
		if !errors.Is(cut, pcap.ErrTruncated) {
			return findings()
		}
	}
	return nil
}

// print prints a report in the format that f names.
func (f *captureFlags) print(cmd *cobra.Command, report interface{ Table(io.Writer) error }) error {
	if f.format == "table" {
		return report.Table(cmd.OutOrStdout())
	}
	enc := json.NewEncoder(cmd.OutOrStdout())
	enc.SetIndent("", "  ")
	return enc.Encode(report)
}
