package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/store/policy/review"
)

func policyDiffCommand() *cobra.Command {
	var fail bool
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "print what becomes different for people's privacy from one policy to another",
		Long: `Diff compares two policies, one line a difference: first what widens (more is kept, for longer, for more readers, or on
other grounds), then what narrows, then what is neutral. A form that is replaced by one that reveals neither more nor less
is a widening, because it reveals something else; so is another legal basis.

Exit codes: 0 with the differences, or without any; 2 if a policy is refused; 3 with --fail-on-widening and a widening.`,
		Example: "  sipsieve policy diff --fail-on-widening /etc/sipsieve/policy.toml new.toml",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			before, err := config.ReadPolicy(args[0])
			if err != nil {
				return refused(err)
			}
			after, err := config.ReadPolicy(args[1])
			if err != nil {
				return refused(err)
			}
			changes := review.Diff(before, after)
			for _, c := range changes {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", c.Effect, c)
			}
			if fail && review.Widens(changes) {
				return exit{exitPolicy, nil}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&fail, "fail-on-widening", false, "exit with 3 if something widens")
	return cmd
}
