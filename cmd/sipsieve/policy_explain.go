package main

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/store/policy/review"
)

func explainCommand() *cobra.Command {
	var format string
	var long bool
	cmd := &cobra.Command{
		Use:   "explain [FILE]",
		Short: "describe a policy in plain words, for its approval: why, by which law, what leaves, for how long",
		Long: `Explain prints a table of the purposes of a policy, what the product does not do, for each purpose one sentence a
group of fields, the hash of the policy, and a line for a signature. HTML has the map of fields by purposes as well and
is made to be printed. With --long it prints a paragraph for each field, with the line of the policy. Without FILE it
reads the shipped policy.

Exit codes: 0 with a description; 2 if the policy is refused.`,
		Example: "  sipsieve policy explain\n  sipsieve policy explain --format html /etc/sipsieve/policy.toml >policy.html\n" +
			"  sipsieve policy explain --long /etc/sipsieve/policy.toml",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case !slices.Contains(review.Formats, format):
				return refused(errors.New("format: want " + strings.Join(review.Formats, ", ")))
			case long && format != "text":
				return refused(errors.New("long: is text; leave out --format"))
			}
			p, err := config.ReadPolicy(strings.Join(args, ""))
			if err != nil {
				return refused(err)
			}
			if long {
				return review.Long(cmd.OutOrStdout(), p)
			}
			return review.Explain(cmd.OutOrStdout(), p, format)
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "output `format`: text, markdown or html")
	cmd.Flags().BoolVar(&long, "long", false, "print a paragraph for each field, as text")
	return cmd
}

func mapCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "map [FILE]",
		Short: "write a table of fields by purposes, as HTML",
		Long: `Map writes what each purpose of a policy keeps of each field, as one page of HTML that needs no other file and
can be printed. Without FILE it reads the shipped policy.

Exit codes: 0 with a page; 1 if it cannot be written; 2 if the policy is refused.`,
		Example: "  sipsieve policy map -o map.html /etc/sipsieve/policy.toml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := config.ReadPolicy(strings.Join(args, ""))
			if err != nil {
				return refused(err)
			}
			if out == "" {
				return review.Map(cmd.OutOrStdout(), p)
			}
			var page bytes.Buffer
			if err := review.Map(&page, p); err != nil {
				return err
			}
			return os.WriteFile(out, page.Bytes(), 0o644) // a policy has no secret
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "write to this `file`; without it, to the output")
	return cmd
}
