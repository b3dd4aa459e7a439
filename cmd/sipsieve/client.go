package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/console"
	"sipsieve/cmd/sipsieve/daemon"

	"github.com/spf13/cobra"
)

// errNoDaemon is returned if no process listens on the daemon's socket.
var errNoDaemon = errors.New("no daemon runs with this configuration")

// A question is what a verb asks the daemon. A text that may stand in no log goes into its body.
type question struct {
	path   string
	values url.Values
	body   string // "" for none
}

// request returns q as it is sent.
func (q question) request(ctx context.Context) (*http.Request, error) {
	address := "http://sipsieve" + q.path + "?" + q.values.Encode()
	if q.body == "" {
		return http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(q.body))
	if err == nil {
		req.Header.Set("Content-Type", "text/plain")
	}
	return req, err
}

// ask sends one request to the daemon of c over its unix socket and returns the body of the response.
func ask(ctx context.Context, c config.Config, q question) (io.ReadCloser, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", c.SocketPath())
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}} // one request
	req, err := q.request(ctx)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED):
		return nil, errNoDaemon
	case errors.Is(err, syscall.EACCES):
		return nil, refused(fmt.Errorf("%s: permission denied: want the user of the daemon, or root", c.SocketPath()))
	case err != nil:
		err = errors.Unwrap(err) // the outer one, of net/url, has the whole question
		return nil, exit{exitFindings, fmt.Errorf("the daemon gave no answer: %w", err)}
	case resp.StatusCode != http.StatusOK:
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		err := errors.New(strings.TrimSpace(string(text)))
		if resp.StatusCode >= http.StatusInternalServerError {
			return nil, exit{exitFindings, err}
		}
		return nil, refused(err)
	}
	return resp.Body, nil
}

// asked adds the exit code of the verb to an error of ask.
func asked(err error) error {
	var e exit
	if errors.As(err, &e) {
		return e
	}
	return refused(err)
}

func configFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "config", "/etc/sipsieve/sipsieve.toml", "configuration `file` of the daemon")
}

func statusCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "print the state of the daemon as JSON: sources, loss, live calls, lag, retention",
		Long: `Status prints the report of the daemon that runs with this configuration: whether it is ready and why not, the
state of each source, errors, the streams of the bus with their lag, the number of stored records, and the ledger.

Exit codes: 0 with a report, also of a daemon that is not ready; 1 if no daemon runs; 2 for a configuration that is
refused.`,
		Example: "  sipsieve status --config configs/quickstart.toml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.LoadForReader(file)
			if err != nil {
				return refused(err)
			}
			body, err := ask(cmd.Context(), c, question{path: "/status"})
			if err != nil {
				return exit{exitFindings, err}
			}
			defer body.Close()
			var report daemon.Status
			if err := json.NewDecoder(body).Decode(&report); err != nil {
				return err
			}
			enc := json.NewEncoder(cmd.OutOrStdout())
			enc.SetIndent("", "  ")
			return enc.Encode(report)
		},
	}
	configFlag(cmd, &file)
	return cmd
}

// requestHelp is the help of the flag --request.
const requestHelp = "the ticket that this reading answers, never a person; it is logged"

func tailCommand() *cobra.Command {
	var file, purpose, request string
	var all bool
	cmd := &cobra.Command{
		Use:   "tail --purpose P --request R",
		Short: "follow the excerpts of one purpose on the bus, for a named request, one JSON line each",
		Long: `Tail prints the excerpts of one purpose as the daemon publishes them, until it is interrupted. The reading is
logged in access.log of the state folder: user id, purpose, request and number of excerpts.

Exit codes: 0 after an interrupt; 1 if the access log cannot be written; 2 if no daemon runs or a flag is refused.`,
		Example: "  sipsieve tail --config configs/quickstart.toml --purpose billing --request trouble-17",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.LoadForReader(file)
			if err != nil {
				return refused(err)
			}
			if err := console.CheckRequest(request); err != nil {
				return refused(err)
			}
			values := url.Values{"purpose": {purpose}, "request": {request}}
			if all {
				values.Set("all", "1")
			}
			body, err := ask(cmd.Context(), c, question{path: "/tail", values: values})
			if err != nil {
				return asked(err)
			}
			defer body.Close()
			if _, err = io.Copy(cmd.OutOrStdout(), body); cmd.Context().Err() != nil {
				return nil
			}
			return err
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&purpose, "purpose", "", "print the excerpts of this purpose")
	cmd.Flags().StringVar(&request, "request", "", requestHelp)
	cmd.Flags().BoolVar(&all, "all", false, "begin with the excerpts that the stream already has")
	_ = cmd.MarkFlagRequired("purpose")
	return cmd
}
