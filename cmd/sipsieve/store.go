package main

import "github.com/spf13/cobra"

func storeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "care for the store of this host",
		Long: `A store keeps records in partitions by purpose and day of expiry: in files of SQLite under a folder, or in a
PostgreSQL database.`,
	}
	cmd.AddCommand(storeMigrateCommand(), storeVerifyCommand(), storeBackupCommand())
	return cmd
}
