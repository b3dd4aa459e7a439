package main

import (
	"context"
	"errors"
	"fmt"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/doctor"
	"time"

	"github.com/spf13/cobra"
)

func doctorCommand() *cobra.Command {
	var file string
	var span time.Duration
	cmd := &cobra.Command{
		Use:   "doctor --config FILE",
		Short: "examine the sources, report what is lost or unread, and propose configuration lines",
		Long: `Doctor opens the sources of a configuration, reads them for a while, and reports its findings: traffic that run
does not see and why, where packets are lost, and the configuration lines that would change that. It publishes nothing,
writes nothing, reads no key, and needs no daemon; a running daemon is not disturbed.

It reads more than run does: every tunnel, the usual SIP ports besides the configured ones, and every port of capture
files. The report names no person: it has no number, no address and no text of a message.

It ends after the time of --for, when every capture file is read, or at an interrupt.

Exit codes: 0 without a finding; 1 with findings; 2 if no source can be opened or the configuration is refused.`,
		Example: `  # on an SBC host, beside the daemon or before it
  sipsieve doctor --config /etc/sipsieve/sipsieve.toml

  # for the busy hour
  sipsieve doctor --config /etc/sipsieve/sipsieve.toml --for 1h`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if span <= 0 {
				return refused(errors.New("for: want a duration above 0, such as 1m"))
			}
			return examine(cmd, file, span)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration `file`")
	cmd.Flags().DurationVar(&span, "for", time.Minute, "how long to read live sources")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

func examine(cmd *cobra.Command, file string, span time.Duration) error {
	c, err := config.Load(file)
	if err != nil {
		return refused(err)
	}
	c.Keys = config.Keys{Demo: true} // no id leaves: the report has none
	s, err := config.Resolve(c)
	if err != nil {
		return refused(err)
	}
	ctx, stop := context.WithTimeout(cmd.Context(), span)
	defer stop()
	e, err := doctor.Examine(ctx, s, func() {
		fmt.Fprintf(cmd.ErrOrStderr(), "listening for %s at most; interrupt to get the report now\n", span)
	})
	if err != nil {
		return refused(err)
	}
	if e.Report(cmd.OutOrStdout()) > 0 {
		return findings()
	}
	return nil
}
