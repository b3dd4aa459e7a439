package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sipsieve/cmd/sipsieve/archive"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/daemon"
	"sipsieve/cmd/sipsieve/plain"
	"sipsieve/configs"
)

// shipped is the word for the policy that the program has in itself.
const shipped = "shipped"

func policyShowCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "show {--config FILE HASH | shipped}",
		Short: "print the text of the policy of a hash, as a record names it, also of one that is in force no more",
		Long: `Show prints the text of the policy whose hash is HASH, or begins with it: every record has the hash of the policy that it
was made under, as policy. The text is that of the state folder, which keeps the policies of this host for good; what is not
there is taken from the stream OPS in the store, where a storage host has the policies of all sensors. What is printed has
that hash, and nothing is printed if it has not: the hash is the first 16 digits of sha256sum.

With the word shipped it prints the policy that is in force where the configuration names none, to begin a policy with.

Exit codes: 0 with the text; 1 if the text was changed, or a store cannot be read; 2 if no policy of that hash is known, if
several have one that begins so, or if the configuration is refused.`,
		Example: "  sipsieve policy show --config /etc/sipsieve/sipsieve.toml 3f1c09a4b2d5e677 >then.toml\n  sha256sum then.toml\n" +
			"  sipsieve policy show shipped >draft.toml",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == shipped {
				return printPolicy(cmd, configs.Policy)
			}
			c, err := config.LoadForReader(file)
			if err != nil {
				return refused(err)
			}
			text, err := findPolicy(cmd.Context(), c, args[0])
			switch {
			case errors.Is(err, archive.ErrUnknown), errors.Is(err, archive.ErrShort), errors.Is(err, archive.ErrHash):
				return refused(err)
			case err != nil:
				return exit{exitFindings, err}
			}
			return printPolicy(cmd, text)
		},
	}
	configFlag(cmd, &file)
	return cmd
}

// printPolicy prints the text of a policy byte for byte, on a terminal too.
func printPolicy(cmd *cobra.Command, text []byte) error {
	_, err := fmt.Fprintf(plain.Bare(cmd.OutOrStdout()), "%s", text)
	return err
}

// findPolicy returns the text of the policy whose hash begins with prefix, of the state folder or of the store of c.
func findPolicy(ctx context.Context, c config.Config, prefix string) ([]byte, error) {
	if c.Store == nil {
		return archive.Find(ctx, c.State, prefix, nil)
	}
	s := &config.Setup{Config: c}
	if c.Store.Type == "postgres" {
		var err error
		if s.Policy, err = config.ReadPolicy(c.Rules.File); err != nil {
			return nil, refused(err)
		}
	}
	records, closing, err := daemon.Reader(s)
	if err != nil {
		return nil, err
	}
	text, err := archive.Find(ctx, c.State, prefix, archive.Query(records))
	return text, errors.Join(err, closing())
}
