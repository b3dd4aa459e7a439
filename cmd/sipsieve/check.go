package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sipsieve/cmd/sipsieve/config"

	"github.com/spf13/cobra"

	"sipsieve/store/policy"
)

func checkCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:     "check --config FILE",
		Short:   "everything that run would refuse, all at once, with file, line and key",
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
						fmt.Fprintf(cmd.OutOrStdout(), "warning: %s counts retention from receipt: for demonstrations only\n", p.Name)
					}
				}
				errs = append(errs, reachBus(cmd.Context(), s)...)
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
	cmd.Flags().StringVar(&file, "config", "", "configuration file")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

// awaited returns which interfaces are not there yet: run does not refuse them, it waits for them.
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

// reach tries what c names outside the process: files and folders.
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
	if err := writable(c.State); err != nil {
		errs = append(errs, c.Wrong("state", "%v", err))
	}
	if c.Store != nil {
		if err := writable(c.StorePath()); err != nil {
			errs = append(errs, c.Wrong("store.path", "%v", err))
		}
	}
	if c.Bus == nil {
		errs = append(errs, c.Wrong("bus", "want [bus]: embedded, or with the url of a NATS server"))
	}
	return errs
}

// probeBytes is enough for a disk that has no block left to refuse it.
const probeBytes = 64 << 10

// writable reports why nothing can be written in dir, or where dir would be made: it writes 64 KiB and removes them.
func writable(dir string) error {
	for {
		st, err := os.Stat(dir)
		if errors.Is(err, os.ErrNotExist) && dir != filepath.Dir(dir) {
			dir = filepath.Dir(dir)
			continue
		}
		if err != nil {
			return err
		}
		if !st.IsDir() {
			return errors.New("not a folder")
		}
		f, err := os.CreateTemp(dir, ".sipsieve-*")
		if err != nil {
			return errors.Unwrap(err)
		}
		_, err = f.Write(make([]byte, probeBytes))
		return errors.Join(errors.Unwrap(err), f.Close(), os.Remove(f.Name()))
	}
}
