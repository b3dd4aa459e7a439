// Package reconcile compares the calls of an SBC's own records with those of the store: which calls one side has and the
// other has not, and which differ in outcome, duration, code or number, each with its reason.
//
// # Order of use
//
//	c := reconcile.New(settings)
//	c.Read(file, size)    // once for each file of the SBC's
//	c.Close()             // rows become calls, and the window is known
//	c.Add(body)           // once for each record between c.Margins, in any order
//	c.Explain(gaps)       // when sensors were down or lost packets
//	report := c.Report()
//
// # How calls are matched
//
// First by Call-ID: the store has its pseudonym only, so that the pseudonym of the SBC's Call-ID is compared. What is left
// is matched by the called number, the caller's number and the time, as far as the purpose keeps them: an SBC that hides
// topology gives each side another Call-ID.
//
// # Limits
//
// A row of the SBC's takes 72 bytes of memory, MostRows at most; a record without a match about 200, MostLone at most. No
// text of the SBC's is kept: a report reads the Call-IDs that it shows from the file again. Nothing is written to disk.
//
// # Errors
//
// No error has text of a file: it names the number of the file and the line.
package reconcile

import (
	"errors"
	"fmt"
	"hash/maphash"
	"time"
)

// Limits of one comparison.
const (
	MostRows   = 20 << 20 // rows of the SBC within the window: 1.5 GB
	MostLone   = 4 << 20  // records without a match by Call-ID
	MostListed = 1 << 20  // differences that a report lists; more are counted
	MostFiles  = 1 << 16

	mostLines  = 1 << 32 // of a file
	mostOffset = 1 << 48 // bytes of a file
)

// ErrTooMany is the error of more rows or records than are compared at once.
var ErrTooMany = errors.New("too many calls at once: compare a shorter time by --from and --to")

// Margin is how far beyond the window calls are matched, so that a call at its border is no difference: the two sides
// count from different moments, such as INVITE and answer.
const Margin = 6 * time.Hour

// Settings are what a comparison goes by.
type Settings struct {
	Profile   *Profile
	Zone      *time.Location // of times without one
	From, To  time.Time      // calls that began in [From, To); zero for the earliest and latest that the SBC has
	Tolerance time.Duration  // a smaller difference of duration is none
	Within    time.Duration  // of the starts of two calls that are matched by numbers
	Calls     string         // CallsAll, CallsAnswered, or "": the latter if the SBC's files have no other

	// Name returns the pseudonym that records have for a Call-ID in the epoch of t, "" for none.
	Name func(id string, t time.Time) string

	Caller, Called, Code, Talk bool          // the records keep caller's number, called number, code and duration
	Grain                      time.Duration // to which the records' durations are cut
	Expired                    time.Time     // records of calls before have expired; zero for none
}

// Which calls are compared.
const (
	CallsAll      = "all"
	CallsAnswered = "answered"
)

// A Comparison compares. It belongs to one goroutine.
type Comparison struct {
	Settings
	seed     maphash.Seed
	lines    Lines
	rows     []call
	other    []otherName
	calls    []call // of rows, by name, after Close
	alias    map[uint64]uint32
	files    int
	syntaxes []syntax // of the files

	from, to int64 // of the window, Unix milliseconds, after Close
	lone     []record
	pairs    []pair
	gaps     gaps

	byCallID, byNumbers int
	unanswered          int // records that are not compared
	records             int
	talk                [2]int64 // milliseconds of the SBC's and of ours, of the calls that are counted
}

// New returns an empty comparison.
func New(s Settings) *Comparison {
	if s.Zone == nil {
		s.Zone = time.UTC
	}
	return &Comparison{Settings: s, seed: maphash.MakeSeed(), lines: Lines{Refused: map[string]int{}}}
}

// Lines counts the lines of the SBC's files: Total = Empty + Headers + Skipped + sum of Refused + Outside + Rows, and
// Rows = calls + Joined + Alone.
type Lines struct {
	Total   int            `json:"total"`
	Empty   int            `json:"empty"`
	Headers int            `json:"headers"`
	Skipped int            `json:"skipped"` // of no call: other methods, other text of a log
	Outside int            `json:"outside"` // further from the window than Margin
	Refused map[string]int `json:"refused"` // by reason
	Rows    int            `json:"rows"`
	Joined  int            `json:"joined"` // rows of a call that has another row
	Alone   int            `json:"alone"`  // rows of a call whose INVITE has none: it began before the files

	First []RefusedLine `json:"first,omitempty"` // of those that were refused, by file and line
}

// mostShown is how many refused lines are shown by number.
const mostShown = 100

// A RefusedLine is where a line could not be read, and why.
type RefusedLine struct {
	File   int    `json:"file"` // from 1
	Line   int    `json:"line"` // from 1
	Reason string `json:"reason"`
}

func (l *Lines) refuse(file, line int, reason string) {
	l.Refused[reason]++
	if len(l.First) < mostShown {
		l.First = append(l.First, RefusedLine{file, line, reason})
	}
}

// errorAt returns err with its place.
func errorAt(file, line int, err error) error {
	return fmt.Errorf("sbc: file %d, line %d: %w", file, line, err)
}
