package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"sipsieve/store/cpni"
	"sipsieve/store/policy"
	"sipsieve/store/policy/risk"
)

func riskCommand() *cobra.Command {
	var f captureFlags
	cmd := &cobra.Command{
		Use:   "risk --pcap FILE [flags]",
		Short: "measure on a capture file how far records single out a call, and join across purposes",
		Long: fmt.Sprintf(`Risk makes the records of each purpose of a capture file (pcap or pcapng; plain, gzip or zstd), as run would publish
them, and attacks them. No value of the capture is printed.

Uniqueness: the share of records of a purpose whose combination of values, without ids and pseudonyms, no other record
has; and how many records show the same: the median, and the size that 5 %% of the records do not exceed.

Join: somebody has the records of two purposes, their policies, and nothing else. JOINED is the share of the records of
the first purpose, the one with fewer, that are joined with the right record of the second, by the better of two ways.
BY ORDER: two purposes that are published at once leave in the order of the calls; one whose finest time is coarser than a
second leaves in windows, sorted by id, and only the window is known of it. BY FIELDS: whatever the order, by all that both show,
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
		RunE: func(cmd *cobra.Command, _ []string) error { return measureRisk(cmd, &f) },
	}
	f.add(cmd)
	return cmd
}

func measureRisk(cmd *cobra.Command, f *captureFlags) error {
	setup, err := f.setup()
	if err != nil {
		return refused(err)
	}
	study := risk.New(setup.Purposes)
	excerpts := make([]policy.Excerpt, len(setup.Purposes))
	plan := setup.Plan(runtime.GOMAXPROCS(0), false)
	err = f.follow(cmd, setup, plan, func(r *cpni.Record) {
		for i, p := range setup.Purposes {
			excerpts[i], _ = p.Minimise(nil, r)
		}
		study.Add(r.Certain(), excerpts)
	})
	if err != nil {
		return err
	}
	report, err := study.Measure(cmd.Context())
	if err != nil {
		return fmt.Errorf("risk: %w", err)
	}
	return f.print(cmd, report)
}
