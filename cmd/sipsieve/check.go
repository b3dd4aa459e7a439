package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/daemon"
	"sipsieve/store/disk"
	"sipsieve/store/policy/locate"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sipsieve/capture/afpacket"
)

func checkCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check --config FILE",
		Short: "report everything that run would refuse, with file, line and key",
		Long: `Check reads a configuration with its policy and keys, and tries what it names: capture files, folders, the
state folder, the store's folder, the hub and its streams. It reports all errors at once.

Exit codes: 0 if run would start, also with warnings; 1 if it would start, but the hub cannot be reached or has no stream
of a purpose; 2 if it would refuse to start; 3 if the policy requires what this version does not offer.`,
		Example: "  sipsieve check --config /etc/sipsieve/sipsieve.toml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return check(cmd.Context(), file, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration `file`")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

// check prints warnings to out and returns everything else that is wrong with the configuration at file.
func check(ctx context.Context, file string, out io.Writer) error {
	c, err := config.Load(file)
	errs := []error{err}
	var notThere *os.PathError
	if errors.As(err, &notThere) || errors.Is(err, locate.ErrNotRead) {
		return refused(err)
	}
	var findings []error
	if s, err := config.Resolve(c); err != nil {
		errs = append(errs, err)
	} else {
		if err := s.Policy.Reviewable(time.Now()); err != nil {
			errs = append(errs, err)
		}
		errs = append(errs, s.CheckApproval())
		c = s.Config // with what it says of approvals
		for _, who := range s.ApprovedBy() {
			fmt.Fprintf(out, "policy %s approved as %s\n", s.Policy.Hash(), who)
		}
		for _, p := range s.Purposes {
			if p.FromReceipt {
				fmt.Fprintf(out, "warning: purpose %s counts retention from receipt: for demonstrations only\n", p.Name)
			}
		}
		printOutage(out, s)
		if findings, err = daemon.ReachHub(ctx, s); err != nil {
			errs = append(errs, err)
		}
		server, more, err := daemon.ReachStore(ctx, s)
		if server != "" {
			fmt.Fprintln(out, "store:", server)
		}
		findings, errs = append(findings, more...), append(errs, err)
	}
	for _, text := range c.Warnings() {
		fmt.Fprintln(out, "warning:", text)
	}
	for _, text := range awaited(&c) {
		fmt.Fprintln(out, "warning:", text)
	}
	warning, err := capabilities(&c)
	if errs = append(errs, err); warning != nil {
		fmt.Fprintln(out, "warning:", warning)
	}
	found := errors.Join(findings...)
	errs = append(errs, reach(&c)...)
	switch err := errors.Join(errs...); {
	case err != nil:
		return refused(errors.Join(err, found))
	case found != nil:
		return exit{exitFindings, found}
	}
	fmt.Fprintln(out, "fine")
	return nil
}

// printOutage prints how long the hub may be away before the spool loses anything: less than a day is a warning.
func printOutage(out io.Writer, s *config.Setup) {
	o, ok := daemon.ShortestOutage(s)
	if !ok {
		return
	}
	text := fmt.Sprintf("bus.disk: at %d calls a second the spool keeps what comes in %s without the hub, then %s loses excerpts",
		s.Bus.CallRate(), o.Lasts.Round(time.Minute), o.Purpose)
	if o.Lasts < 24*time.Hour {
		fmt.Fprintf(out, "warning: %s; for a day it needs %dGiB\n", text, o.Disk>>30+1)
		return
	}
	fmt.Fprintln(out, text)
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

// capabilities returns whether this process could open the live sources of c: an err is of the binary, a warning of the
// user, in whose place the unit may run it.
func capabilities(c *config.Config) (warning, err error) {
	live := slices.IndexFunc(c.Source, func(s config.Source) bool { return s.Live() })
	link := slices.IndexFunc(c.Source, func(s config.Source) bool { return s.Type == "interface" })
	switch missing := afpacket.CheckCapabilities(); {
	case live >= 0 && errors.Is(missing, syscall.ENOTSUP): // run drops capabilities whatever the live source is
		return nil, c.Wrong("source", "%w", missing)
	case link >= 0 && missing != nil:
		return c.Wrong(config.SourceKey(link)+".interface", "this user cannot open it: %w: run needs what the unit gives it",
			missing), nil
	}
	return nil, nil
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
	if err := disk.Writable(c.State); err != nil {
		errs = append(errs, c.Wrong("state", "%v", err))
	}
	if c.Store != nil && c.Store.Type == "sqlite" {
		if err := disk.Writable(c.StorePath()); err != nil {
			errs = append(errs, c.Wrong("store.path", "%v", err))
		}
	}
	return errs
}
