package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/store/vault"
)

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "make and copy keys for ids and pseudonyms, and make those that approve policies",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(keysInitCommand(), keysBackupCommand(), keysApproverCommand())
	return cmd
}

func keysInitCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init FILE",
		Short: "write a new key file, readable by its owner only",
		Long: `Init writes a new key file. All sensors of a fleet share one, so that a call has the same id on every sensor.
Whoever has the file can test whether a pseudonym stands for a given number.

Exit codes: 0 if the file was written; 2 if it exists or cannot be written.`,
		Example: "  sipsieve keys init /etc/sipsieve/keys.toml",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return refused(vault.Create(args[0]))
		},
	}
}

func keysBackupCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "backup --config FILE DIR",
		Short: "copy the key file into a folder that nobody else can read, also while a daemon runs",
		Long: `Backup copies the key file of this host, [keys] file, into a folder: under its name, readable by its owner only. Then it
reads the copy and compares what the two make. It prints a line of the copy: the id of the keys, which is the same for
each copy of them and reveals nothing of them, and when they were made. A copy that is there is never written over.

A folder that is not there is made. One that others can read, or that is another user's, is refused.
Keep the copy apart from copies of the store: whoever has both can test whether a pseudonym stands for a given number.

Exit codes: 0 if the copy is there and the same; 2 if the configuration, the key file or the folder is refused.`,
		Example: "  sipsieve keys backup --config /etc/sipsieve/sipsieve.toml /backup/keys",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.LoadForReader(file)
			if err != nil {
				return refused(err)
			}
			if c.Keys.File == "" {
				return refused(c.Wrong("keys.file", "no key file to copy: random keys and the published ones need none"))
			}
			made, err := vault.Backup(c.Keys.File, args[0])
			if err != nil {
				return refused(err)
			}
			out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(out, "COPY\tKEYS\tMADE\tDAYS")
			fmt.Fprintf(out, "%s\t%s\t%s\t%d\n", made.Path, made.ID, made.Made.UTC().Format(time.DateOnly),
				int(time.Since(made.Made).Hours()/24))
			return out.Flush()
		},
	}
	configFlag(cmd, &file)
	return cmd
}
