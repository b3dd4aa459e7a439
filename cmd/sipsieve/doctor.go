package main

import (
	"context"
	"errors"
	"fmt"
	"sipsieve/cmd/sipsieve/config"
	"time"

	"github.com/spf13/cobra"
)

func doctorCommand() *cobra.Command {
	var file string
	var span time.Duration
	cmd := &cobra.Command{
		Use:   "doctor --config FILE",
		Short: "a minute on the wire, then what is wrong with it, and the lines that mend it",
		Long: `Doctor opens the sources of a configuration, listens for a while, and says in plain words what it
found: what is not seen and why, where packets are lost, and which lines of the configuration would mend it. It
publishes nothing, writes nothing, reads no key, and needs no daemon; one that runs is not disturbed.

It looks wider than run does: into every tunnel, on the usual ports of SIP besides those that are configured, and
at every port of capture files. It says nothing of anybody: no number, no address, no text of a message.

It ends after the time given, when every capture file is read, or when interrupted.`,
		Example: `  # on an SBC host, beside the daemon or before it
  sipsieve doctor --config /etc/sipsieve/sipsieve.toml

  # the busy hour
  sipsieve doctor --config /etc/sipsieve/sipsieve.toml --for 1h`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if span <= 0 {
				return refused(errors.New("for: want a time such as 1m"))
			}
			return doctor(cmd, file, span)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file")
	cmd.Flags().DurationVar(&span, "for", time.Minute, "how long to listen")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

func doctor(cmd *cobra.Command, file string, span time.Duration) error {
	c, err := config.Load(file)
	if err != nil {
		return refused(err)
	}
	c.Keys = config.Keys{Demo: true} // nothing is made with them
	s, err := config.Resolve(c)
	if err != nil {
		return refused(err)
	}
	ctx, stop := context.WithTimeout(cmd.Context(), span)
	defer stop()
	e, err := examine(ctx, s, func() {
		fmt.Fprintf(cmd.ErrOrStderr(), "listening for %s at most; interrupt to have the report now\n", span)
	})
	if err != nil {
		return refused(err)
	}
	if e.report(cmd.OutOrStdout()) > 0 {
		return findings()
	}
	return nil
}
