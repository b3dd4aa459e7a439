package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/console"
	"sipsieve/cmd/sipsieve/daemon"
	"sipsieve/cmd/sipsieve/ledger"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"sipsieve/capture/afpacket"
)

// progressEvery is the interval of the progress line that run prints when it shows excerpts.
const progressEvery = time.Second

func runCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: "run the daemon: read the sources, publish excerpts, store records",
		Long: `Run is the daemon: it runs until SIGTERM or SIGINT. It reads the sources ([[source]]) and puts
excerpts on the streams of this host ([bus]). From there it brings them to the store of this host ([store]), to the NATS
server of many hosts ([hub]), or to both. With [hub] and [store] and no source it keeps what other hosts have pushed to
the hub. A hub that is away, also at the start, is waited for; meanwhile the streams of this host keep what is for it.

A stop drains what was read and logs the final ledger. SIGHUP (systemctl reload) has the configuration and its policy read
again. [policy], log_level and bus.rate take effect between two records; the log says what becomes different by the policy.
It is all or nothing: if anything is wrong with either, if an approval lacks, or if anything else was changed, which waits for
a restart (sources, the state folder, a purpose more or less, bus_retain), the log names it, and what was in force stays so.

Exit codes: 0 after a stop; 1 for a failure that may pass by itself, such as a full disk or a locked state folder, after
which the unit starts run again; 2 and 3 for input that would be refused again: see check.`,
		Example: `  # try it: a bundled capture through the whole product, without root and without a server
  sipsieve run --config configs/quickstart.toml

  # on an SBC host
  sipsieve run --config /etc/sipsieve/sipsieve.toml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), file, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration `file`")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

// run runs the daemon of the configuration at file. Its error has exit code 2 only for input that would be refused
// again, and 1 for a failure that may pass by itself: a full disk, a read-only state folder, a locked store.
func run(ctx context.Context, file string, stdout, stderr io.Writer) error {
	c, err := config.Load(file)
	if err != nil {
		return refused(err)
	}
	s, err := config.Resolve(c)
	if err != nil {
		return refused(err)
	}
	if err := s.Policy.Reviewable(time.Now()); err != nil { // the clock may be wrong, and is set soon after the start
		return exit{exitFindings, err}
	}
	if err := s.CheckApproval(); err != nil {
		return refused(err)
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	level := new(slog.LevelVar)
	log := newLog(c, level, stderr)
	leaving, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	d, err := daemon.New(ctx, s, daemon.Options{Log: log, Out: stdout, Version: version(), Leave: leave, Level: level, Reloads: hangups})
	switch {
	case err != nil && ctx.Err() != nil:
		log.Info("stopped before it began", "err", err)
		return nil
	case err != nil:
		return failed(err)
	}
	w, err := console.Listen(ctx, d)
	if err != nil {
		return failed(errors.Join(err, d.Close()))
	}
	printStartup(ctx, d, stderr)
	return failed(attend(leaving, d, w, stderr))
}

// attend runs d to its end, closes it, and logs the final ledger.
func attend(ctx context.Context, d *daemon.Daemon, w *console.Server, stderr io.Writer) error {
	progress := make(chan struct{})
	shown, stop := context.WithCancel(ctx)
	defer stop()
	go func() { defer close(progress); printProgress(shown, d, stderr) }()
	_, _ = sd.SdNotify(false, sd.SdNotifyReady)
	err := d.Run(ctx)
	_, _ = sd.SdNotify(false, sd.SdNotifyStopping)
	cause := context.Cause(ctx)
	stop()
	<-progress
	l := d.Ledger()
	d.Log.Info("stopped", "up", d.Up().Round(time.Millisecond), "ledger", ledgerText{l})
	err = errors.Join(err, l.Balance(false), w.Close(), d.Close())
	if err == nil && errors.Is(cause, afpacket.ErrGone) {
		return fmt.Errorf("run: the end, so that it can be begun anew with a new interface: %w", cause)
	}
	return err
}

// A ledgerText is a ledger as the log shows it: JSON, in a text log too.
type ledgerText struct{ l *ledger.Ledger }

// MarshalJSON implements json.Marshaler.
func (t ledgerText) MarshalJSON() ([]byte, error) { return json.Marshal(t.l) }

// MarshalText implements encoding.TextMarshaler.
func (t ledgerText) MarshalText() ([]byte, error) { return json.Marshal(t.l) }

// newLog returns the log of the daemon: text or JSON lines, never the content of a message.
func newLog(c config.Config, level *slog.LevelVar, w io.Writer) *slog.Logger {
	_ = level.UnmarshalText([]byte(c.LogLevel))
	opts := &slog.HandlerOptions{Level: level}
	if c.LogJSON {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// printStartup prints where records, status and metrics are, and how many records the store already has.
func printStartup(ctx context.Context, d *daemon.Daemon, w io.Writer) {
	fmt.Fprintf(w, "sipsieve: site %s, sensor %s, policy %s (%q)\n", d.Site, d.Sensor, d.Policy.Hash(), d.Policy.Name)
	for _, who := range d.ApprovedBy() {
		fmt.Fprintln(w, "sipsieve: policy approved as", who)
	}
	if d.Setup.Keys.Demo {
		fmt.Fprintln(w, "sipsieve: published demonstration keys: for trying out only")
	}
	for _, text := range d.Warnings() {
		fmt.Fprintln(w, "sipsieve: warning:", text)
	}
	if d.Keeps() {
		fmt.Fprintf(w, "records: %s\n", d.StoreName())
		if len(d.Purposes) > 0 {
			fmt.Fprintf(w, "         sipsieve query --config %s --purpose %s --request ticket-1\n", d.File, d.Purposes[0].Name)
		}
		if n, err := d.Stored(ctx); err == nil {
			fmt.Fprintf(w, "         from before: %s\n", countText(n))
		}
	}
	fmt.Fprintf(w, "status:  sipsieve status --config %s\n", d.File)
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
	for _, name := range slices.Sorted(maps.Keys(n)) {
		text += fmt.Sprintf("%s %d  ", name, n[name])
	}
	return text[:len(text)-2]
}

// printProgress prints the counts of d once a second when they change, if excerpts are shown, until ctx ends.
func printProgress(ctx context.Context, d *daemon.Daemon, w io.Writer) {
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
		l := d.Ledger()
		x := l.Excerpts[d.Show]
		line := fmt.Sprintf("progress: %d packets, %d messages, %d calls live, %d ended, %d excerpts of %s acknowledged",
			l.Packets.Seen, l.Messages.Total, l.Calls.Live, l.Calls.Ended.Total(), x.Acknowledged, d.Show)
		if d.Reading() == 0 {
			line += "; every file is read: interrupt to stop"
		}
		if line != last {
			fmt.Fprintln(w, line)
		}
		last = line
	}
}
