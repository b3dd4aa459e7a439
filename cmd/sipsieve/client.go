package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sipsieve/cmd/sipsieve/config"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"sipsieve/store/sqlite"
)

// errNoDaemon says that nobody listens on the socket.
var errNoDaemon = errors.New("no daemon runs with this configuration")

// ask sends one request to the daemon of c over its socket.
func ask(ctx context.Context, c config.Config, path string, values url.Values) (io.ReadCloser, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", c.SocketPath())
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://sipsieve"+path+"?"+values.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED):
		return nil, errNoDaemon
	case err != nil:
		return nil, err
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

// asked is the error of ask as a verb returns it.
func asked(err error) error {
	var e exit
	if errors.As(err, &e) {
		return e
	}
	return refused(err)
}

func configFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "config", "/etc/sipsieve/sipsieve.toml", "configuration file of the daemon")
}

func statusCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "what run is doing now: sources, loss, live calls, lag, retention, as JSON",
		Example: "  sipsieve status --config configs/quickstart.toml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.LoadForReader(file)
			if err != nil {
				return refused(err)
			}
			body, err := ask(cmd.Context(), c, "/status", nil)
			if err != nil {
				return exit{exitFindings, err}
			}
			defer body.Close()
			var report statusReport
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

func tailCommand() *cobra.Command {
	var file, purpose, request string
	var all bool
	cmd := &cobra.Command{
		Use:     "tail --purpose P [--request R]",
		Short:   "follows excerpts on the bus as they come, a JSON line each",
		Example: "  sipsieve tail --config configs/quickstart.toml --purpose billing",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.LoadForReader(file)
			if err != nil {
				return refused(err)
			}
			values := url.Values{"purpose": {purpose}}
			if request != "" {
				if err := checkRequest(request); err != nil {
					return refused(err)
				}
				values.Set("request", request)
			}
			if all {
				values.Set("all", "1")
			}
			body, err := ask(cmd.Context(), c, "/tail", values)
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
	cmd.Flags().StringVar(&purpose, "purpose", "", "whose excerpts")
	cmd.Flags().StringVar(&request, "request", "", "the request that this reading answers, such as a ticket; it is logged")
	cmd.Flags().BoolVar(&all, "all", false, "first those that the stream has")
	_ = cmd.MarkFlagRequired("purpose")
	return cmd
}

func queryCommand() *cobra.Command {
	var file, format string
	values := map[string]*string{"purpose": new(string), "request": new(string), "kind": new(string), "from": new(string),
		"to": new(string)}
	cmd := &cobra.Command{
		Use:   "query --purpose P --request R",
		Short: "records of one purpose from the store, for a request that has a name",
		Long: `Query reads the records of one purpose from the store, through the daemon if one runs, else from its files. Who
reads, for which request and how much stands in access.log of the state folder, before the first record and after
the last; if it cannot be written nothing is read.`,
		Example: `  sipsieve query --purpose billing --request inv-2026-11 --from 2026-11-01 --to 2026-12-01 --format csv`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return query(cmd, file, format, func(key string) string {
				if v := values[key]; v != nil {
					return *v
				}
				return ""
			})
		},
	}
	configFlag(cmd, &file)
	fl := cmd.Flags()
	fl.StringVar(values["purpose"], "purpose", "", "whose records")
	fl.StringVar(values["request"], "request", "", "the request that this reading answers, such as a ticket; it is logged")
	fl.StringVar(values["kind"], "kind", "", "call, registration or device (default: every kind)")
	fl.StringVar(values["from"], "from", "", "what began at this time or later, in UTC, such as 2026-11-01")
	fl.StringVar(values["to"], "to", "", "and before this time")
	fl.StringVar(&format, "format", "jsonl", "jsonl, csv or table")
	return cmd
}

func query(cmd *cobra.Command, file, format string, value func(string) string) error {
	c, err := config.LoadForReader(file)
	if err != nil {
		return refused(err)
	}
	q, err := parseQuery(value)
	if err != nil {
		return refused(err)
	}
	s, err := config.Resolve(c)
	if err != nil {
		return refused(err)
	}
	if err := s.Only(q.Purpose); err != nil {
		return refused(err)
	}
	out, err := newPrinter(format, cmd.OutOrStdout(), s.Purposes)
	if err != nil {
		return refused(err)
	}
	values := url.Values{}
	for _, key := range []string{"purpose", "request", "kind", "from", "to"} {
		values.Set(key, value(key))
	}
	body, err := ask(cmd.Context(), c, "/query", values)
	if errors.Is(err, errNoDaemon) {
		return queryStore(cmd.Context(), s, value, out)
	}
	if err != nil {
		return asked(err)
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		out.printBody(lines.Bytes())
	}
	if err := lines.Err(); err != nil {
		return errors.Join(fmt.Errorf("query: the answer is not whole: %w", err), out.flush())
	}
	return out.flush()
}

// queryStore reads the store itself when no daemon has it.
func queryStore(ctx context.Context, s *config.Setup, value func(string) string, out *printer) (err error) {
	if s.Store == nil {
		return refused(errors.New("query: this host keeps no store"))
	}
	q, err := parseQuery(value)
	if err != nil {
		return refused(err)
	}
	r, err := sqlite.Read(s.StorePath())
	if err != nil {
		return refused(err)
	}
	log, err := begin(s.State, access{Verb: "query", UID: os.Getuid(), PID: os.Getpid(), Purpose: q.Purpose,
		Request: value("request"), Kind: q.Kind, From: value("from"), To: value("to")})
	if err != nil {
		return exit{exitFindings, fmt.Errorf("query: %w", err)}
	}
	whole := false
	defer func() { err = errors.Join(err, log.end(whole)) }()
	for body, err := range r.Query(ctx, q) {
		if err != nil {
			return errors.Join(fmt.Errorf("query: the answer is not whole: %w", err), out.flush())
		}
		out.printBody(body)
		log.count++
	}
	whole = true
	return out.flush()
}
