package hops

import (
	"slices"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// MaxForks limits the forks of one INVITE whose times are remembered, and those that may answer.
const MaxForks = 16

// A Fork is one To tag on a hop: of a provisional response but 100, of a 2xx, or of an ACK that proved an answer. Times
// are nanoseconds.
type Fork struct {
	Progress, Ring, Answered int64
	Ends                     uint32 // number of the BYEs before its answer, 0 without any
	Tag                      uint32
	Answer                   uint8  // its place among the hop's forks that answered, from 1; 0 if it did not
	Repeats                  uint16 // repeated messages with this tag
	Past                     bool   // of an INVITE before the last one (CSeq)
	proof                    bool   // no response to the INVITE had this tag
}

// forks hold the forks of hops, but the first of each, and the BYEs before their answers.
type forks struct {
	more  mem.Slab[moreForks]
	Early mem.Slab[Endings] // BYEs before the answer, of one fork each
}

// moreForks are the forks of a hop after the first. The tags of the first 64 forks are known exactly, those behind by a
// Bloom filter: that may take a new tag for a known one, but never a known one for new.
type moreForks struct {
	n     int
	tags  [64]uint32 // the first fork's included
	bloom [32]uint64
	forks [MaxForks - 1]Fork
}

// ShortTag returns half of tag, as a Fork has it, never 0.
func ShortTag(tag uint64) uint32 { return uint32(tag) | 1 }

// KnownFork reports whether tag is a fork of h. i is its number, -1 if its times are not remembered.
func (s *forks) KnownFork(h *View, tag event.Key) (i int, known bool) {
	short := ShortTag(tag.Short())
	if h.Forks == 0 || tag == (event.Key{}) {
		return -1, false
	}
	if h.more == 0 {
		if h.First.Tag == short {
			return 0, true
		}
		return -1, false
	}
	f := s.more.At(h.more)
	for i := range f.n {
		if f.tags[i] == short {
			if i >= MaxForks {
				i = -1
			}
			return i, true
		}
	}
	return -1, f.n == len(f.tags) && f.has(tag.Short())
}

// Current returns how many of h's remembered forks are of its last INVITE (CSeq), and the number of the last of them.
func (s *forks) Current(h *View) (n, last int) {
	for i := range min(int(h.Forks), MaxForks) {
		if !s.Fork(h, i).Past {
			n, last = n+1, i
		}
	}
	return n, last
}

// hasTag reports whether one of h's first 64 forks has the short tag.
func (s *forks) hasTag(h *View, short uint32) bool {
	if h.more == 0 {
		return h.Forks > 0 && h.First.Tag == short
	}
	f := s.more.At(h.more)
	return slices.Contains(f.tags[:f.n], short)
}

// AddFork adds tag to h's forks, if it is new, and returns its number; -1 if its times are not remembered.
func (s *forks) AddFork(h *View, tag event.Key) int {
	if h == nil || tag == (event.Key{}) {
		return -1
	}
	if i, known := s.KnownFork(h, tag); known {
		return i
	}
	short := ShortTag(tag.Short())
	h.Forks++
	if h.Forks == 1 {
		h.First = Fork{Tag: short}
		return 0
	}
	if h.more == 0 {
		h.more = s.more.New()
		f := s.more.At(h.more)
		f.n, f.tags[0] = 1, h.First.Tag
	}
	f := s.more.At(h.more)
	if f.n == len(f.tags) {
		f.add(tag.Short())
		return -1
	}
	i := f.n
	f.tags[i] = short
	if f.n++; i >= MaxForks {
		return -1
	}
	f.forks[i-1] = Fork{Tag: short}
	return i
}

// Fork returns h's fork number i, nil for -1.
func (s *forks) Fork(h *View, i int) *Fork {
	switch {
	case i < 0 || h == nil:
		return nil
	case i == 0:
		return &h.First
	}
	return &s.more.At(h.more).forks[i-1]
}

// AnswerFork records that h's fork number i answered at t (nanoseconds).
func (s *forks) AnswerFork(h *View, i int, t int64) {
	f := s.Fork(h, i)
	switch {
	case f == nil:
	case f.Answer == 0:
		f.Answer, f.Answered = uint8(s.AnswersOn(h))+1, t
	default:
		f.Answered = min(f.Answered, t)
	}
}

// AnswersOn returns how many of h's remembered forks answered.
func (s *forks) AnswersOn(h *View) (n int) {
	for i := range min(int(h.Forks), MaxForks) {
		if s.Fork(h, i).Answer != 0 {
			n++
		}
	}
	return n
}

// bit returns the i-th bit of the Bloom filter for tag.
func (f *moreForks) bit(tag uint64, i int) (word *uint64, mask uint64) {
	bit := tag >> (16 * i) % (64 * uint64(len(f.bloom)))
	return &f.bloom[bit/64], uint64(1) << (bit % 64)
}

func (f *moreForks) has(tag uint64) bool {
	for i := range 3 {
		if word, mask := f.bit(tag, i); *word&mask == 0 {
			return false
		}
	}
	return true
}

func (f *moreForks) add(tag uint64) {
	for i := range 3 {
		word, mask := f.bit(tag, i)
		*word |= mask
	}
}

// ProveFork is AddFork for a tag of another message than a response to the INVITE. Such a fork is not counted in
// records.
func (s *forks) ProveFork(h *View, tag event.Key) int {
	n := h.Forks
	i := s.AddFork(h, tag)
	if f := s.Fork(h, i); f != nil && h.Forks > n {
		f.proof = true
		h.Proved++
	}
	return i
}

// ShowFork is AddFork for the tag of a response to the INVITE.
func (s *forks) ShowFork(h *View, tag event.Key) int {
	i := s.AddFork(h, tag)
	if f := s.Fork(h, i); f != nil && f.proof {
		f.proof = false
		h.Proved--
	}
	return i
}

// code writes f and its BYEs before the answer, or reads them.
func (f *Fork) code(c *mem.Coder, e *Endings) {
	c.Hash(&f.Tag)
	c.Instant(&f.Progress)
	c.Instant(&f.Ring)
	mem.Number(c, &f.Answer)
	mem.Number(c, &f.Repeats)
	c.Instant(&f.Answered)
	c.Flags(&f.Past, &f.proof)
	e.code(c)
}

// Provisional sets the times of f by the provisional response m. f may be nil.
func (f *Fork) Provisional(m *sip.Message) {
	if f != nil {
		Earliest(&f.Progress, &f.Ring, m)
	}
}

// Earliest sets progress, and ring for 180 and 183, to the time of m if they are 0 or later. It reports whether either
// changed.
func Earliest(progress, ring *int64, m *sip.Message) (changed bool) {
	t := m.Time.UnixNano()
	if *progress == 0 || t < *progress {
		*progress, changed = t, true
	}
	if (m.Status == 180 || m.Status == 183) && (*ring == 0 || t < *ring) {
		*ring, changed = t, true
	}
	return changed
}

// EarlyByes returns the BYEs before an answer with number n, nil for 0.
func (s *forks) EarlyByes(n uint32) *Endings {
	if n == 0 {
		return nil
	}
	return s.Early.At(n)
}

// forgetEarlyByes frees the BYEs before the answer on h.
func (s *forks) forgetEarlyByes(h *View) {
	s.Early.Clear(&h.Tagless)
	for i := range min(int(h.Forks), MaxForks) {
		s.Early.Clear(&s.Fork(h, i).Ends)
	}
}

// restoreEarlyByes restores the BYEs before the answer of h.
func (s *forks) restoreEarlyByes(h *View, from *savedView) {
	h.Tagless, h.First.Ends = 0, 0
	if from.untagged != (Endings{}) {
		*s.Early.Ensure(&h.Tagless) = from.untagged
	}
	for i := range min(int(h.Forks), MaxForks) {
		f := s.Fork(h, i)
		if f.Ends = 0; from.ends[i] != (Endings{}) {
			*s.Early.Ensure(&f.Ends) = from.ends[i]
		}
	}
}
