// Command sipsieve reads SIP signalling on an SBC host, works out calls, registrations and devices, minimises the
// facts about people by a policy, and publishes the result.
//
// Each verb is one file: run.go, replay.go, check.go and so on. testdata/script has a manual of each verb that is also
// its test.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/plain"

	"github.com/spf13/cobra"

	"sipsieve/store/policy"
)

// Exit codes of every verb.
const (
	exitFine     = 0
	exitFindings = 1 // findings, or a failure that the next attempt may not meet
	exitUsage    = 2 // wrong usage, or input that is refused at every attempt
	exitPolicy   = 3 // the policy requires what this version does not offer
)

func main() { os.Exit(commandLine()) }

// commandLine runs the arguments of the process until it ends, or SIGINT or SIGTERM ends it, and returns its exit code.
func commandLine() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal has its default effect: it ends a verb that does not stop
	return execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// An exit is an error with the exit code of the process. Without err nothing is printed: the verb has printed its
// findings.
type exit struct {
	code int
	err  error
}

// Error returns the text of what went wrong; "" for an exit code alone.
func (e exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

// Unwrap returns what went wrong.
func (e exit) Unwrap() error { return e.err }

// refused returns err with the exit code of input that cannot be used: a file, a flag, a configuration.
func refused(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, policy.ErrNotBuilt):
		return exit{exitPolicy, err}
	}
	return exit{exitUsage, err}
}

// failed returns err, which ended a daemon, with its exit code: exitFindings, so that the unit starts the daemon again,
// or exitUsage if a key of the configuration has a value that cannot be used.
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

// passing are errors of the system that the configuration does not cause and that may be over soon.
var passing = []error{syscall.EADDRINUSE, syscall.EADDRNOTAVAIL, syscall.EBUSY, syscall.EDQUOT, syscall.EIO,
	syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOSPC, syscall.EROFS, syscall.ESTALE}

// findings ends a verb that has printed its findings.
func findings() error { return exit{exitFindings, nil} }

// execute runs one command line and returns its exit code. The output of every verb passes a plain.Writer: text from a
// file, a message or a publisher on the bus cannot act on the terminal that shows it.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out, complaints := plain.New(stdout), plain.New(stderr)
	defer out.End()
	defer complaints.End()
	stderr = complaints
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
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

// rootCommand returns the command line with all its verbs.
func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "sipsieve",
		Short: "minimised call records from SIP signalling, on the SBC host",
		Long: `Sipsieve reads SIP signalling on the host of a session border controller, works out calls, registrations and
devices, classifies every fact as CPNI (47 USC 222), minimises it by a policy that a compliance officer can read, and
publishes the result over NATS JetStream.

Exit codes: 0 success; 1 findings, or a failure that may pass by itself; 2 wrong usage, or input that is refused;
3 the policy requires what this version does not offer.`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(runCommand(), replayCommand(), checkCommand(), policyCommand(), fieldsCommand(), tailCommand(),
		queryCommand(), statusCommand(), keysCommand(), doctorCommand(), scrubCommand(),
		busCommand(), storeCommand(), reportCommand(), reconcileCommand())
	return root
}

// version returns the version of the module that was built, or of its commit.
func version() string {
	build, ok := debug.ReadBuildInfo()
	if !ok || build.Main.Version == "" {
		return "unknown"
	}
	return build.Main.Version
}
