package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sipsieve/cmd/sipsieve/config"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sipsieve/store/cpni"
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
	}, &cobra.Command{
		Use:   "explain [FILE]",
		Short: "describe a policy in plain words: what is read, what leaves, who sees it, for how long",
		Long: `Explain prints a description of every purpose of a policy, with the law that permits it, and one paragraph for
each of its fields, with the line of the policy. Without FILE it reads the shipped policy.

Exit codes: 0 with a description; 2 if the policy is refused.`,
		Example: "  sipsieve policy explain\n  sipsieve policy explain /etc/sipsieve/policy.toml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := config.ReadPolicy(strings.Join(args, ""))
			if err != nil {
				return refused(err)
			}
			return p.Explain(cmd.OutOrStdout())
		},
	}, riskCommand(), policyDiffCommand())
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

// A fieldRow is one field as `fields --format json` writes it.
type fieldRow struct {
	Name            string   `json:"name"`
	Class           string   `json:"class"`
	Also            []string `json:"also,omitempty"`
	Type            string   `json:"type"`
	Value           string   `json:"value"`             // closed, shape or text
	Pattern         string   `json:"pattern,omitempty"` // of a shape
	Words           []string `json:"words,omitempty"`   // of a closed list that the register has
	List            string   `json:"list,omitempty"`    // where the words of another closed list stand
	Identifiability string   `json:"identifiability"`
	Never           bool     `json:"never"`
	Transforms      []string `json:"transforms"`
	Source          string   `json:"source"`
	Note            string   `json:"note,omitempty"`
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
			switch format {
			case "table":
				return fieldTable(cmd)
			case "json":
				return fieldJSON(cmd)
			}
			return refused(errors.New("format: want table or json"))
		},
	}
	cmd.Flags().StringVar(&format, "format", "table", "output `format`: table or json")
	return cmd
}

func fieldTable(cmd *cobra.Command) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FIELD\tCLASS\tTYPE\tVALUE\tIDENTIFIES\tTRANSFORMS\tSOURCE")
	for f := range cpni.Field(cpni.Fields()) {
		e := f.Entry()
		transforms := strings.Join(e.Transforms, " ")
		if e.Never {
			transforms = "never collected"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Name, e.Class, e.Type, e.Value, e.Identifiability, transforms,
			e.Source)
	}
	return w.Flush()
}

func fieldJSON(cmd *cobra.Command) error {
	var rows []fieldRow
	for f := range cpni.Field(cpni.Fields()) {
		e := f.Entry()
		rows = append(rows, fieldRow{e.Name, e.Class, e.Also, e.Type, e.Value, e.Pattern, e.Words, e.List,
			e.Identifiability, e.Never, e.Transforms, e.Source, e.Note})
	}
	enc := json.NewEncoder(cmd.OutOrStdout())
	enc.SetIndent("", "  ")
	return enc.Encode(rows)
}
