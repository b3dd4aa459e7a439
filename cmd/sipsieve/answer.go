package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/console"
	"sipsieve/cmd/sipsieve/daemon"
	"sipsieve/store"
)

// An answer is what a verb reads of the store: the records that a question names, through the daemon if one runs,
// otherwise from the store itself. The reading is logged by whichever process reads.
type answer struct {
	cmd  *cobra.Command
	verb string
	file string // configuration
	what question
	open func(*config.Setup, store.Query) (taker, error) // what takes the records, before one is read
}

// A taker takes the records of an answer one by one. close is called after the last, also of an answer that broke off.
type taker struct {
	take  func(body []byte)
	close func() error
}

// read gives the taker every record, and prints to standard error where a next answer goes on.
func (a *answer) read() error {
	c, err := config.LoadForReader(a.file)
	if err != nil {
		return refused(err)
	}
	q, err := console.ParseQuery(a.what.values.Get)
	if err != nil {
		return refused(err)
	}
	s, err := config.Resolve(c)
	if err != nil {
		return refused(err)
	}
	if q.Purpose == store.Ops && a.verb == "query" {
		s.Purposes = nil // no policy has it
	} else if err := s.Only(q.Purpose); err != nil {
		return refused(err)
	}
	return a.readFrom(s, q)
}

// readFrom is read with a configuration that is loaded.
func (a *answer) readFrom(s *config.Setup, q store.Query) error {
	to, err := a.open(s, q)
	if err != nil {
		return refused(err)
	}
	body, err := ask(a.cmd.Context(), s.Config, a.what)
	if errors.Is(err, errNoDaemon) {
		return a.readStore(s, q, to)
	}
	if err != nil {
		return asked(err)
	}
	defer body.Close()
	bar := showAnswer(a.cmd.ErrOrStderr(), a.cmd.OutOrStdout(), a.verb, q)
	next, err := readLines(body, func(body []byte) { bar.note(body); to.take(body) })
	bar.stop()
	return a.incomplete(errors.Join(err, a.finish(to, next)))
}

// finish closes the taker and prints where the next answer goes on; nothing for "". If records could not be written, it
// prints no place: who went on there would miss them.
func (a *answer) finish(to taker, next string) error {
	if err := to.close(); err != nil {
		return err
	}
	if next != "" {
		fmt.Fprintln(a.cmd.ErrOrStderr(), "next", next)
	}
	return nil
}

// readLines gives take what the daemon answers, and returns where the next answer goes on; "" if it did not say.
func readLines(body io.Reader, take func([]byte)) (next string, err error) {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		text := lines.Bytes()
		if len(text) == 0 || text[0] == '{' {
			take(text)
		} else if place, ok := strings.CutPrefix(string(text), console.NextLine); ok {
			next = place
		} else if damage, ok := strings.CutPrefix(string(text), console.DamageLine); ok {
			return next, damaged(damage)
		}
	}
	return next, lines.Err()
}

// damaged is what a daemon answers of a store.DamageError.
type damaged string

// Error returns what is missing.
func (d damaged) Error() string { return string(d) }

// incomplete returns err with the exit code of an answer that is not complete.
func (a *answer) incomplete(err error) error {
	if err == nil {
		return nil
	}
	var own exit
	if errors.As(err, &own) {
		return own
	}
	return exit{exitFindings, fmt.Errorf("%s: the answer is not complete: %w", a.verb, err)}
}

// readStore reads from the store, when no daemon runs.
func (a *answer) readStore(s *config.Setup, q store.Query, to taker) (err error) {
	if a.what.body != "" {
		if err := console.AddCallIDs(s, &q, strings.NewReader(a.what.body)); err != nil {
			return refused(err)
		}
	}
	if s.Store == nil {
		return refused(errors.New(a.verb + ": this host has no store: [store] is not configured"))
	}
	records, closing, err := daemon.Reader(s)
	if err != nil {
		return refused(err)
	}
	defer func() { err = errors.Join(err, closing()) }()
	values := a.what.values
	log, err := console.Begin(s.State, console.Access{Verb: a.verb, UID: os.Getuid(), PID: os.Getpid(), Purpose: q.Purpose,
		Request: values.Get("request"), Kind: q.Kind, From: values.Get("from"), To: values.Get("to")})
	if err != nil {
		return exit{exitFindings, fmt.Errorf("%s: %w", a.verb, err)}
	}
	bar := showAnswer(a.cmd.ErrOrStderr(), a.cmd.OutOrStdout(), a.verb, q)
	next := ""
	for item, wrong := range console.Paged(q, records(a.cmd.Context(), q)) {
		switch {
		case wrong != nil:
			err = wrong
		case item.Body == nil:
			next = item.Next
		default:
			bar.note(item.Body)
			to.take(item.Body)
			log.Count++
		}
	}
	bar.stop()
	return errors.Join(a.incomplete(errors.Join(err, a.finish(to, next))), log.End(err == nil))
}

// values returns the parameters of a question from the flags of its verb.
func values(flags map[string]*string) url.Values {
	v := url.Values{}
	for key, value := range flags {
		v.Set(key, *value)
	}
	return v
}
