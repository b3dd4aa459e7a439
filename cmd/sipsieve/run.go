package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"sipsieve/capture/afpacket"
)

// progressEvery is how often run says how far it is, when it shows excerpts.
const progressEvery = time.Second

func runCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: "the daemon: collects, publishes and keeps, by the sections of its configuration",
		Example: `  # try it: a bundled capture through the whole product, no root, no server
  sipsieve run --config configs/quickstart.toml

  # on an SBC host
  sipsieve run --config /etc/sipsieve/sipsieve.toml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), file, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

func run(ctx context.Context, file string, stdout, stderr io.Writer) error {
	c, err := loadConfig(file)
	if err != nil {
		return refused(err)
	}
	s, err := newSetup(c)
	if err != nil {
		return refused(err)
	}
	log := newLog(c, stderr)
	d, err := newDaemon(ctx, s, log, stdout)
	switch {
	case err != nil && ctx.Err() != nil:
		log.Info("stopped before it began", "err", err)
		return nil
	case err != nil:
		return refused(err)
	}
	w, err := d.openWindows()
	if err != nil {
		return refused(errors.Join(err, d.close()))
	}
	d.greet(ctx, stderr)
	progress := make(chan struct{})
	ctx, cancel := context.WithCancelCause(ctx)
	d.leave = cancel
	go func() { defer close(progress); d.progress(ctx, stderr) }()
	_, _ = sd.SdNotify(false, sd.SdNotifyReady)
	err = d.run(ctx)
	_, _ = sd.SdNotify(false, sd.SdNotifyStopping)
	cause := context.Cause(ctx)
	cancel(nil)
	<-progress
	balance := d.ledger().balance(false)
	log.Info("stopped", "up", time.Since(d.began).Round(time.Millisecond))
	if err = errors.Join(err, balance, w.close(), d.close()); err == nil && errors.Is(cause, afpacket.ErrGone) {
		return exit{exitFindings, fmt.Errorf("run: the end, so that it can be begun anew with a new interface: %w", cause)}
	}
	return err
}

// newLog returns where the daemon tells what it does: text or JSON lines, never a message's content.
func newLog(c config, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel))
	opts := &slog.HandlerOptions{Level: level}
	if c.LogJSON {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// greet says where everything is, and what the store has from before.
func (d *daemon) greet(ctx context.Context, w io.Writer) {
	fmt.Fprintf(w, "sipsieve: site %s, sensor %s, policy %s (%q)\n", d.site, d.sensor, d.policy.Hash(), d.policy.Name)
	if d.setup.Keys.Demo {
		fmt.Fprintln(w, "sipsieve: published demonstration keys: for trying out only")
	}
	for _, text := range d.warnings() {
		fmt.Fprintln(w, "sipsieve: warning:", text)
	}
	if d.store != nil {
		fmt.Fprintf(w, "records: %s\n", d.storePath())
		if len(d.purposes) > 0 {
			fmt.Fprintf(w, "         sipsieve query --config %s --purpose %s --request ticket-1\n", d.file, d.purposes[0].Name)
		}
		if n, err := d.store.Count(ctx); err == nil {
			fmt.Fprintf(w, "         from before: %s\n", countText(n))
		}
	}
	fmt.Fprintf(w, "status:  sipsieve status --config %s\n", d.file)
	if d.HTTP.Listen != "" {
		fmt.Fprintf(w, "metrics: http://%s/metrics  /healthz  /readyz\n", d.HTTP.Listen)
	}
}

// countText writes how many records each purpose has.
func countText(n map[string]int) string {
	if len(n) == 0 {
		return "no records"
	}
	var text string
	for _, name := range sortedKeys(n) {
		text += fmt.Sprintf("%s %d  ", name, n[name])
	}
	return text[:len(text)-2]
}

// progress says how far d is, once a second while a file is read, if excerpts are shown.
func (d *daemon) progress(ctx context.Context, w io.Writer) {
	if d.Show == "" {
		return
	}
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		l := d.ledger()
		x := l.Excerpts[d.Show]
		line := fmt.Sprintf("progress: %d packets, %d messages, %d calls live, %d ended, %d excerpts of %s acknowledged",
			l.Packets.Seen, l.Messages.Total, l.Calls.Live, l.Calls.Ended.total(), x.Acknowledged, d.Show)
		if d.reading.Load() == 0 {
			line += "; every file is read: interrupt to stop"
		}
		if line != last {
			fmt.Fprintln(w, line)
		}
		last = line
	}
}

// windows are the ways to look at a running daemon.
type windows struct{ close func() error }

// openWindows opens the HTTP listener and the unix socket in the state folder.
func (d *daemon) openWindows() (*windows, error) {
	var listeners []net.Listener
	closeAll := func() (err error) {
		for _, l := range listeners {
			err = errors.Join(err, ignoreClosed(l.Close()))
		}
		return err
	}
	if d.HTTP.Listen != "" {
		l, err := net.Listen("tcp", d.HTTP.Listen)
		if err != nil {
			return nil, d.wrong("http.listen", "%v", err)
		}
		listeners = append(listeners, l)
		go d.serve(l, d.publicMux())
	}
	path := d.socketPath()
	_ = os.Remove(path) // the state folder's lock is ours: whoever left it is gone
	l, err := net.Listen("unix", path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("socket: %w", err), closeAll())
	}
	listeners = append(listeners, l)
	go d.serve(peers{l}, d.privateMux())
	return &windows{closeAll}, nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// socketPath is where a running daemon is spoken to.
func (c *config) socketPath() string { return filepath.Join(c.State, "sipsieve.sock") }
