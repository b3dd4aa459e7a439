// This file has methods of Report because a format is a way to show it and changes nothing of it.

package reconcile

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Formats lists what a report may be written as.
func Formats() []string { return []string{"text", "jsonl", "csv"} }

// Write writes a report: the totals first, then a line for each difference. cell makes a text fit for a cell of a table
// that a person opens.
func (r *Report) Write(w io.Writer, format string, list iter.Seq[Difference], cell func(string) string) error {
	b := bufio.NewWriterSize(w, 64<<10)
	var err error
	switch format {
	case "text":
		r.writeText(b, list)
	case "jsonl":
		err = r.writeJSON(b, list)
	case "csv":
		err = r.writeCSV(b, list, cell)
	default:
		err = errors.New("format: want " + strings.Join(Formats(), ", "))
	}
	return errors.Join(err, b.Flush())
}

// writeJSON writes the totals as an object of kind totals, then an object for each difference.
func (r *Report) writeJSON(w io.Writer, list iter.Seq[Difference]) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct {
		Kind string `json:"kind"`
		*Totals
	}{"totals", &r.Totals})
	for d := range list {
		if err = errors.Join(err, enc.Encode(d)); err != nil {
			break
		}
	}
	return err
}

var csvHeader = []string{"kind", "what", "start", "call_id", "file", "line", "id", "sbc", "sieve", "reasons", "detail", "marks"}

// writeCSV writes a table. A total is a row of kind total.
func (r *Report) writeCSV(w io.Writer, list iter.Seq[Difference], cell func(string) string) error {
	out := csv.NewWriter(w)
	err := out.Write(csvHeader)
	for _, line := range r.totals() {
		err = errors.Join(err, out.Write([]string{"total", line[0], "", "", "", "", "", line[1], line[2], "", "", ""}))
	}
	for d := range list {
		row := []string{d.Kind, d.What, d.Start, cell(d.CallID), number(d.File), number(d.Line), d.ID, d.SBC, d.Sieve,
			strings.Join(d.Reasons, " "), cell(d.Detail), strings.Join(d.Marks, " ")}
		if err = errors.Join(err, out.Write(row)); err != nil {
			return err
		}
	}
	out.Flush()
	return errors.Join(err, out.Error())
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// totals returns the sums as lines of name, the SBC's and ours; what is of both stands in the former.
func (r *Report) totals() (lines [][3]string) {
	add := func(name string, sbc, sieve int64) {
		lines = append(lines, [3]string{name, strconv.FormatInt(sbc, 10), strconv.FormatInt(sieve, 10)})
	}
	one := func(name string, n int) { lines = append(lines, [3]string{name, strconv.Itoa(n), ""}) }
	add("calls", int64(r.SBC), int64(r.Sieve))
	add("talk_seconds", r.SBCTalk/1000, r.SieveTalk/1000)
	if !r.Complete {
		one("not complete", 1)
	}
	one("matched", r.Matched)
	sums := func(prefix string, m map[string]int) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			one(prefix+key, m[key])
		}
	}
	sums("matched by ", r.MatchedBy)
	one("equal", r.Equal)
	one("differing", r.Differing)
	sums("differing in ", r.DifferingBy)
	for _, kind := range []string{OnlySBC, OnlySieve, Differs} {
		if kind == OnlySBC {
			one(kind, r.OnlySBC)
		} else if kind == OnlySieve {
			one(kind, r.OnlySieve)
		}
		sums(kind+" for ", r.Reasons[kind])
	}
	sums("not compared: ", r.NotCompared)
	one("lines", r.Lines.Total)
	one("lines skipped", r.Lines.Skipped)
	sums("lines refused: ", r.Lines.Refused)
	if r.NotListed > 0 {
		one("not listed", r.NotListed)
	}
	return lines
}

// writeText writes a report for a person.
func (r *Report) writeText(w io.Writer, list iter.Seq[Difference]) {
	fmt.Fprintf(w, "%s calls that began from %s to %s, durations equal within %.1f s\n\n", r.Calls, r.From, r.To,
		float64(r.ToleranceMS)/1e3)
	if !r.Complete {
		fmt.Fprintf(w, "NOT COMPLETE: records of the store are missing\n\n")
	}
	fmt.Fprintf(w, "%-34s %12s %12s\n", "", "SBC", "SIEVE")
	for _, line := range r.totals() {
		text := fmt.Sprintf("%-34s %12s %12s", strings.ReplaceAll(line[0], "_", " "), line[1], line[2])
		fmt.Fprintln(w, strings.TrimRight(text, " "))
	}
	for _, l := range r.Lines.First {
		fmt.Fprintf(w, "refused: file %d, line %d: %s\n", l.File, l.Line, l.Reason)
	}
	first := true
	for d := range list {
		if first {
			fmt.Fprintln(w)
			first = false
		}
		what := d.Kind
		if d.What != "" {
			what = "differs in " + d.What
		}
		fmt.Fprintf(w, "%s  %s", d.Start, what)
		if d.Line > 0 {
			fmt.Fprintf(w, "  file %d line %d", d.File, d.Line)
		}
		for _, part := range [][2]string{{"call-id", d.CallID}, {"record", d.ID}, {"sbc", d.SBC}, {"sieve", d.Sieve},
			{"reason", strings.Join(d.Reasons, ", ")}, {"marks", strings.Join(d.Marks, ", ")}, {"detail", d.Detail}} {
			if part[1] != "" {
				fmt.Fprintf(w, "  %s %s", part[0], part[1])
			}
		}
		fmt.Fprintln(w)
	}
}
