package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/daemon"

	"github.com/spf13/cobra"

	"sipsieve/store/policy"
)

func checkCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check --config FILE",
		Short: "report everything that run would refuse, with file, line and key",
		Long: `Check reads a configuration with its policy and keys, and tries what it names: capture files, folders, the
state folder, the store's folder and the NATS server. It reports all errors at once.

Exit codes: 0 if run would start, also with warnings; 2 if it would refuse to; 3 if the policy requires what this
version does not offer.`,
		Example: "  sipsieve check --config /etc/sipsieve/sipsieve.toml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file)
			errs := []error{err}
			var notThere *os.PathError
			if errors.As(err, &notThere) || errors.Is(err, policy.ErrNotRead) {
				return refused(err)
			}
			if s, err := config.Resolve(c); err != nil {
				errs = append(errs, err)
			} else {
				for _, p := range s.Purposes {
					if p.FromReceipt {
						fmt.Fprintf(cmd.OutOrStdout(),
							"warning: purpose %s counts retention from receipt: for demonstrations only\n", p.Name)
					}
				}
				errs = append(errs, daemon.ReachBus(cmd.Context(), s)...)
			}
			for _, text := range c.Warnings() {
				fmt.Fprintln(cmd.OutOrStdout(), "warning:", text)
			}
			for _, text := range awaited(&c) {
				fmt.Fprintln(cmd.OutOrStdout(), "warning:", text)
			}
			errs = append(errs, reach(&c)...)
			if err := errors.Join(errs...); err != nil {
				return refused(err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), "fine")
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration `file`")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

// awaited returns a warning for each interface that does not exist yet. It is no error: run waits for the interface.
func awaited(c *config.Config) (errs []error) {
	for i, s := range c.Source {
		if s.Type != "interface" || s.Interface == "" {
			continue
		}
		if _, err := net.InterfaceByName(s.Interface); err != nil {
			errs = append(errs, c.Wrong(config.SourceKey(i)+".interface", "no such interface on this host: run waits for it"))
		}
	}
	return errs
}

// reach returns what is wrong with the files and folders that c names.
func reach(c *config.Config) (errs []error) {
	for i, s := range c.Source {
		key := config.SourceKey(i)
		switch s.Type {
		case "file", "directory":
			st, err := os.Stat(s.Path)
			switch {
			case s.Path == "" || s.Path == "-":
			case err != nil:
				errs = append(errs, c.Wrong(key+".path", "%v", errors.Unwrap(err)))
			case st.IsDir() != (s.Type == "directory"):
				errs = append(errs, c.Wrong(key+".path", "want a capture file for type file, a folder for type directory"))
			}
		}
	}
	if err := c.Overlaps(); err != nil {
		errs = append(errs, c.Wrong("source", "%v", err))
	}
	if err := daemon.Writable(c.State); err != nil {
		errs = append(errs, c.Wrong("state", "%v", err))
	}
	if c.Store != nil {
		if err := daemon.Writable(c.StorePath()); err != nil {
			errs = append(errs, c.Wrong("store.path", "%v", err))
		}
	}
	if c.Bus == nil {
		errs = append(errs, c.Wrong("bus", "want [bus]: embedded, or with the url of a NATS server"))
	}
	return errs
}
