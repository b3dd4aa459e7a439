// Command sipsieve watches SIP signalling on an SBC host, minimises what it says about people by a policy,
// and publishes the rest.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sipsieve/cmd/sipsieve/config"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"sipsieve/store/policy"
)

// Exit codes of every verb.
const (
	exitFine     = 0
	exitFindings = 1
	exitUsage    = 2 // usage, or refused input
	exitPolicy   = 3 // refused by policy
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends what does not stop
	os.Exit(execute(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// An exit is an error with its exit code. One without text has said what there is to say.
type exit struct {
	code int
	err  error
}

func (e exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

// refused is input that cannot be used: a file, a flag, a configuration.
func refused(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, policy.ErrNotBuilt):
		return exit{exitPolicy, err}
	}
	return exit{exitUsage, err}
}

// failed is what keeps a daemon from going on. It may be over at the next attempt, unless it is a key of the
// configuration that cannot be used.
func failed(err error) error {
	var key *config.KeyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &key) && !slices.ContainsFunc(passing, func(e error) bool { return errors.Is(err, e) }):
		return refused(err)
	}
	return exit{exitFindings, err}
}

// passing are the errors of the system that are nobody's fault in the configuration and may be over soon.
var passing = []error{syscall.EADDRINUSE, syscall.EADDRNOTAVAIL, syscall.EBUSY, syscall.EDQUOT, syscall.EIO,
	syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOSPC, syscall.EROFS, syscall.ESTALE}

// findings ends a verb that has found what its exit code says.
func findings() error { return exit{exitFindings, nil} }

// execute runs one command line and returns its exit code. Whatever a verb writes is plain: what a file, a message or a
// publisher of the bus wrote cannot act on the terminal that shows it.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out, complaints := &plainWriter{to: stdout}, &plainWriter{to: stderr}
	defer out.end()
	defer complaints.end()
	stderr = complaints
	root := &cobra.Command{
		Use:   "sipsieve",
		Short: "SIP signalling to minimised call records, on the SBC",
		Long: `Sipsieve watches SIP signalling, works out calls and registrations, classifies every fact as CPNI
(47 USC 222), minimises it by a policy that a compliance officer can read, and publishes the rest.`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	root.AddCommand(runCommand(), replayCommand(), checkCommand(), policyCommand(), fieldsCommand(), tailCommand(),
		queryCommand(), statusCommand(), keysCommand(), doctorCommand(),
		scrubCommand())
	err := root.ExecuteContext(ctx)
	var e exit
	switch {
	case err == nil:
		return exitFine
	case errors.As(err, &e):
		if e.err != nil {
			fmt.Fprintln(stderr, "sipsieve:", e.err)
		}
		return e.code
	}
	fmt.Fprintln(stderr, "sipsieve:", err)
	return exitUsage
}
