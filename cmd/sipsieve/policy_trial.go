package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sipsieve/cmd/sipsieve/trial"
)

func policyTestCommand() *cobra.Command {
	var how trial.Options
	cmd := &cobra.Command{
		Use:   "test [flags] FILE.txtar...",
		Short: "compare the excerpts of a capture with those that a file expects of a policy, such as in a CI",
		Long: `Test runs the capture in each file through a policy and compares the excerpts of every enabled purpose with
those that the file expects: one line a difference, with file, line, purpose and key. Without a difference it prints how
many excerpts each purpose published: "no excerpt" may be a mistake in the capture. ` + trial.Manual + `

Exit codes: 0 without a difference; 1 with one; 2 for a file, policy or configuration that is refused; 3 for a policy that
requires what this version does not offer.`,
		Example: `  # all tests of the policy that is to be signed
  sipsieve policy test --policy draft.toml tests/*.txtar

  # write the excerpts that it makes now into the file, then review them
  sipsieve policy test --update answered.txtar

  # a test of a capture
  sipsieve scrub trouble.pcap clean.pcapng
  (echo '-- capture.pcap.base64 --'; base64 clean.pcapng) > trouble.txtar
  sipsieve policy test --update trouble.txtar`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error { return tryPolicy(cmd, how, paths) },
	}
	cmd.Flags().StringVar(&how.Policy, "policy", "", "policy `file`, instead of that of the tests")
	cmd.Flags().BoolVar(&how.Update, "update", false, "write the excerpts into the files instead of comparing them")
	return cmd
}

// tryPolicy runs the tests at paths and prints their differences.
func tryPolicy(cmd *cobra.Command, how trial.Options, paths []string) error {
	different, done := false, "ok"
	if how.Update {
		done = "written, review it"
	}
	for _, path := range paths {
		r, err := trial.Run(cmd.Context(), path, how)
		if err != nil {
			return refused(err)
		}
		for _, line := range r.Differences {
			fmt.Fprintln(cmd.OutOrStdout(), line)
		}
		if len(r.Differences) == 0 {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s: %s\n", path, done, cmp.Or(strings.Join(r.Published, ", "), "no excerpt"))
		}
		different = different || len(r.Differences) > 0
	}
	if different {
		return findings()
	}
	return nil
}
