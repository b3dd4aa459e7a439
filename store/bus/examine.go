package bus

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"sipsieve/store/bus/blocks"
	"sipsieve/store/bus/marks"
)

// markDelay is how much later than its mark a stream may have removed what had expired, at most.
const markDelay = 2 * time.Minute

// A Damage is what was wrong with a stream of the embedded server when it was opened. What was intact was put again.
type Damage struct {
	Purpose  string
	Found    time.Time // at which start; with Purpose it names the damage
	From, To time.Time // when the messages were put that are lost, as far as is known
	Lost     uint64    // messages that are lost and that not every keeper had confirmed
	Kept     uint64    // intact messages that were put again
	Places   int       // damaged places in files of messages
	Other    int       // other damaged files of the stream; they cost nothing
}

// same reports whether d and o are one damage.
func (d Damage) same(o Damage) bool { return d.Purpose == o.Purpose && d.Found.Equal(o.Found) }

// An examination is what the files of a stream have, in comparison with its mark.
type examination struct {
	Damage
	patient bool // a file that cannot be read is an error
	stream  string
	mark    marks.Mark
	marked  bool
	retain  time.Duration // 0 for ever
	old     int64         // messages put up to this time have expired, Unix nanoseconds

	confirmed       uint64 // sequence up to which each keeper of now has confirmed everything
	next            uint64 // sequence that is expected next; 0 before the first one without a mark
	before          int64  // when the message before that was put; 0 if it is not known
	last            uint64 // highest sequence of an intact message
	first           uint64 // first message that has not expired; 0 without one
	firstAt, lastAt int64  // when first and last were put, Unix nanoseconds
	torn            bool   // the last file ends with damaged bytes
	foreign         bool   // there is no description of the stream, or a damaged one

	each func(*blocks.Message) error // is called with each intact message; nil for nobody
}

// examine reads the files of a stream. The server must not run: at its start it cuts a file off at the first damage.
func (s *spool) examine(stream string, retain time.Duration, now time.Time) (*examination, error) {
	e := &examination{stream: stream, retain: retain, patient: s.patient}
	e.Purpose, e.Found = s.purpose[stream], now
	e.mark, e.marked = s.marks.Of(stream)
	if retain > 0 {
		e.old = now.Add(-retain).UnixNano()
	}
	if e.marked {
		e.confirmed = e.mark.Least(s.keepers)
		e.begin()
	}
	dir := s.stream(stream)
	switch _, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		e.foreign = e.mark.High > 0
		e.finish()
		return e, nil
	case err != nil:
		return nil, err
	}
	created, err := blocks.Created(dir, stream)
	if err != nil {
		return nil, err
	}
	e.foreign = created == 0
	if e.marked && created != 0 && created != e.mark.Created { // made in a start that ended before the mark
		e.mark, e.marked, e.confirmed, e.next, e.before = marks.Mark{}, false, 0, 0, 0
	}
	files, numbers, err := blocks.Files(filepath.Join(dir, "msgs"))
	for i := range files {
		if err == nil {
			err = e.read(files[i], numbers[i], i == 0)
		}
	}
	e.finish()
	return e, err
}

// begin takes from the mark what is expected first.
func (e *examination) begin() {
	e.next, e.before = max(e.confirmed+1, e.mark.First), e.mark.FirstMade
}

// read goes through one file.
func (e *examination) read(file string, number int, first bool) error {
	b, err := blocks.Open(file, e.stream, number)
	if errors.Is(err, syscall.EIO) && !e.patient {
		e.Places++
		return nil
	}
	if err != nil {
		return err
	}
	err = b.Each(func(m blocks.Message) error {
		if m.Mislabelled {
			e.Places++
		}
		if m.IsRecord && m.Sequence > e.last {
			e.take(&m, first && b.Bad() == 0)
		}
		if e.each == nil {
			return nil
		}
		return e.each(&m)
	})
	e.Places += b.Bad()
	e.torn = b.Torn()
	return err
}

// take takes note of an intact message, and of those that are missing before it. What is missing before everything
// else may have expired after the mark was written, if the files are sound up to here.
func (e *examination) take(m *blocks.Message, sound bool) {
	put := m.PutAt()
	if e.next > 0 && m.Sequence > e.next && put > e.old && !(sound && e.last == 0 && e.headExpired()) {
		e.lose(m.Sequence-e.next, put)
	}
	e.next = max(e.next, m.Sequence+1)
	if e.last, e.lastAt, e.before = m.Sequence, put, put; e.first == 0 && put > e.old {
		e.first, e.firstAt = m.Sequence, put
	}
}

// headExpired reports whether messages may have expired while the server ran and the mark was not yet written.
func (e *examination) headExpired() bool {
	return e.retain > 0 && e.mark.FirstMade > 0 && e.mark.FirstMade+int64(e.retain) <= e.mark.Seen+int64(markDelay)
}

// lose counts n messages as lost that were put after the one before them and until a time.
func (e *examination) lose(n uint64, until int64) {
	if e.Lost == 0 {
		e.From = time.Unix(0, e.before)
		if e.before == 0 {
			e.From = time.Unix(0, until)
		}
	}
	e.Lost += n
	e.To = time.Unix(0, until)
}

// finish takes note of what is missing at the end. The end of the last file may be what a crash left of a write that was
// not acknowledged: the server cuts it off.
func (e *examination) finish() {
	if e.marked && e.mark.High >= e.next && (e.retain == 0 || e.mark.Seen+int64(markDelay) > e.old) {
		e.lose(e.mark.High-e.next+1, max(e.mark.Seen, e.before))
	}
	if e.torn && e.mark.Files == "" && (!e.marked || e.last >= e.mark.High) {
		e.Places--
	}
	if e.foreign && (e.marked || e.last > 0) {
		e.Other++
	}
}

// damaged reports whether the stream has to be made anew.
func (e *examination) damaged() bool { return e.foreign || e.Places > 0 || e.Lost > 0 }
