package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sipsieve/cmd/sipsieve/config"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sipsieve/store/policy/review"
	"sipsieve/store/vault"
)

func policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "review a policy: what it collects, and what is wrong with it",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "lint [FILE]",
		Short: "print the errors and warnings of a policy, each with its line",
		Long: `Lint prints what is wrong with a policy (error) and what deserves a second look (warning), one line each.
Without FILE it reads the shipped policy.

Exit codes: 0 without an error; 1 with one; 2 if the file cannot be opened.`,
		Example: "  sipsieve policy lint /etc/sipsieve/policy.toml",
		Args:    cobra.MaximumNArgs(1),
		RunE:    lint,
	}, explainCommand(), mapCommand(), riskCommand(), policyDiffCommand(), policyTestCommand(),
		policyPreviewCommand(), policyShowCommand(), policyApproveCommand())
	return cmd
}

func lint(cmd *cobra.Command, args []string) error {
	path := strings.Join(args, "")
	p, err := config.ReadPolicy(path)
	var notThere *os.PathError
	switch {
	case errors.As(err, &notThere):
		return refused(err)
	case err != nil:
		fmt.Fprintln(cmd.OutOrStdout(), err)
		return findings()
	}
	if path == "" {
		path = "policy.toml"
	}
	bad := false
	keys := vault.Demo() // Bind reports what this version does not offer; the keys themselves are not used
	if err := config.Bind(p, keys); err != nil {
		fmt.Fprintln(cmd.OutOrStdout(), err)
		bad = true
	}
	for _, f := range p.Lint(time.Now()) {
		word := "warning"
		if f.Problem {
			word, bad = "error", true
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s:%d: %s: %s: %s\n", path, f.Line, word, f.Key, f.Text)
	}
	if bad {
		return findings()
	}
	return nil
}

func fieldsCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "fields",
		Short: "print the field register: class, source, identifiability and transforms of every field",
		Long: `Fields prints the register: every field that a record can have, its class (CPNI or personal data), its type and
values, how far it identifies a person, the transforms that a policy may name, and the SIP header that it is read from.
A policy can name no other field.`,
		Example: "  sipsieve fields\n  sipsieve fields --format json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			write, ok := map[string]func(io.Writer) error{"table": review.FieldTable, "json": review.FieldJSON}[format]
			if !ok {
				return refused(errors.New("format: want table or json"))
			}
			return write(cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&format, "format", "table", "output `format`: table or json")
	return cmd
}
