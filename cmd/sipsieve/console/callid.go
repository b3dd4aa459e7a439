package console

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/store"
)

// Bounds of a search by Call-IDs. Each pseudonym is looked for in each record.
const (
	MaxCallIDBytes = 64 << 10 // of all Call-IDs
	maxPseudonyms  = 2000     // of all Call-IDs and epochs
)

// truncation is how much earlier a record may have begun than its time says, which is cut to the month at most.
const truncation = 31 * 24 * time.Hour

// AddCallIDs reads Call-IDs, one a line, and adds their pseudonyms to q: those of the epochs within its From and To;
// without them those of the retention before now. No error quotes a Call-ID.
func AddCallIDs(s *config.Setup, q *store.Query, lines io.Reader) error {
	p, ok := s.Policy.Purpose(q.Purpose)
	switch {
	case !ok:
		return s.UnknownPurpose()
	case s.Keys == (config.Keys{}) && !s.Collects():
		return errors.New("call-id: this host has no keys to make pseudonyms: the configuration needs [keys] of the fleet")
	}
	to, keep := time.Now(), p.Retain
	if !q.To.IsZero() {
		to = q.To
	}
	from := time.Now().AddDate(-keep.Years, -keep.Months, -keep.Days).Add(-time.Duration(keep.Hours) * time.Hour)
	if !q.From.IsZero() {
		from = q.From
	}
	keys, found := s.Vault.Purpose(p.Name, p.Epoch), false
	scan := bufio.NewScanner(io.LimitReader(lines, MaxCallIDBytes+1))
	scan.Buffer(nil, MaxCallIDBytes)
	for read := 0; scan.Scan(); {
		id := strings.TrimSpace(scan.Text())
		if read += len(scan.Bytes()) + 1; read > MaxCallIDBytes {
			return fmt.Errorf("call-id: more than %d bytes of Call-IDs: ask for fewer at once", MaxCallIDBytes)
		}
		if id == "" {
			continue
		}
		found = true
		q.Pseudonyms = append(q.Pseudonyms, p.CallIDs(keys, id, from.Add(-truncation), to.Add(truncation))...)
		if len(q.Pseudonyms) > maxPseudonyms {
			return fmt.Errorf("call-id: more than %d pseudonyms, one for each Call-ID and epoch of %v: name fewer Call-IDs, or a shorter "+
				"time by --from and --to", maxPseudonyms, p.Epoch)
		}
	}
	switch {
	case scan.Err() != nil:
		return errors.New("call-id: want Call-IDs, one a line")
	case !found:
		return errors.New("call-id: standard input has no Call-ID: want one a line")
	case len(q.Pseudonyms) == 0:
		return fmt.Errorf("call-id: the policy keeps no pseudonym of Call-IDs for the purpose %s", p.Name)
	}
	return nil
}
