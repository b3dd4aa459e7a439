package main

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/store/sqlite"
)

func storeVerifyCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "verify --config FILE",
		Short: "read all files of the store and say which are damaged, and what is missing",
		Long: `Verify reads every partition of the store of this host whole, also while a daemon runs, and prints a line for each:
purpose, day of expiry, records, records that are missing, and its state. It changes nothing: a daemon that runs, or
starts, sets a damaged partition aside, reads out what is intact, and has the bus deliver again what it still has.

Exit codes: 0 if nothing is damaged or missing; 1 otherwise; 2 for a configuration that is refused.`,
		Example: "  sipsieve store verify --config /etc/sipsieve/sipsieve.toml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := filesOf(file)
			if err != nil {
				return err
			}
			all, lines, err := r.Verify(cmd.Context())
			out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(out, "PURPOSE\tEXPIRES\tRECORDS\tMISSING\tSTATE")
			wrong := lines > 0
			for _, v := range all {
				state := "ok"
				if v.Damaged {
					state = "damaged"
				}
				wrong = wrong || v.Damaged || v.Missing > 0
				fmt.Fprintf(out, "%s\t%s\t%d\t%d\t%s\n", v.Purpose, v.Expires, v.Rows, v.Missing, state)
			}
			if lines > 0 {
				fmt.Fprintf(out, "catalogue: %d lines are damaged\n", lines)
			}
			if err = errors.Join(err, out.Flush()); err != nil {
				return exit{exitFindings, fmt.Errorf("store verify: %w", err)}
			}
			if wrong {
				return findings()
			}
			return nil
		},
	}
	configFlag(cmd, &file)
	return cmd
}

func storeBackupCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "backup --config FILE DIR",
		Short: "copy the files of the store into a new folder, also while a daemon runs",
		Long: `Backup copies the store of this host into a folder that is not there yet or is empty. What was stored before it began is
in the copy, what is stored meanwhile may be. To restore it, stop the daemon, put the copy in the place of the folder,
and start the daemon: records that the bus delivers again are there once. The copy holds records for as long as it is
kept: delete it when the first of them expire.

Keys are not in it: keep the key files, without which later records get other ids.

Exit codes: 0; 1 if the copy is not complete; 2 for a configuration or folder that is refused.`,
		Example: "  sipsieve store backup --config /etc/sipsieve/sipsieve.toml /backup/store",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := filesOf(file)
			if err != nil {
				return err
			}
			if err := r.Backup(cmd.Context(), args[0]); err != nil {
				return exit{exitFindings, fmt.Errorf("store backup: %w", err)}
			}
			return nil
		},
	}
	configFlag(cmd, &file)
	return cmd
}

// filesOf returns what reads the files of the store that a configuration names.
func filesOf(file string) (*sqlite.Reader, error) {
	c, err := config.LoadForReader(file)
	if err != nil {
		return nil, refused(err)
	}
	s, err := config.Resolve(c)
	if err != nil {
		return nil, refused(err)
	}
	if s.Store == nil || s.Store.Type != "sqlite" {
		return nil, refused(s.Wrong("store.type", "want sqlite: a store in files"))
	}
	r, err := sqlite.Read(s.StorePath())
	return r, refused(err)
}
