package pcap

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// A part is a File of a Series while it is read.
type part struct {
	*File
	s     *Source // what reads it; neither its sequence nor its decoder is used
	begun int64   // where the frame begins that comes next, in what is in the file, decompressed
	ready bool    // the frame has been read: it is s.coming
	ended error   // why none comes
	limit int64   // frames from here on were not read before the restart
}

// openPart opens f and steps over the frames before the offset skip.
func openPart(f *File, cfg Config, skip int64) (*part, error) {
	s, err := Open(f.Path, cfg)
	if err != nil {
		return nil, err
	}
	p := &part{File: f, s: s}
	for p.begun = s.offset(); p.begun < skip; {
		if !p.peek() {
			break
		}
		p.taken()
	}
	for i := range s.faces() { // what was lost before was reported before
		s.faces()[i].losses.unreported = 0
	}
	s.counts.Kernel.Store(0)
	return p, nil
}

// peek reads the next frame, and reports whether there is one. It is s.coming until taken is called.
func (p *part) peek() bool {
	if p.ready || p.ended != nil {
		return p.ready
	}
	p.begun = p.s.offset()
	if err := p.s.readFrame(&p.s.coming); err != nil {
		p.ended = io.EOF
		if !errors.Is(err, io.EOF) {
			p.ended = fmt.Errorf("pcap: %s: after byte %d: %w", p.Name, p.begun, plainly(err))
		}
		return false
	}
	p.s.coming.file, p.s.coming.offset = p.File, p.begun
	p.ready = true
	return true
}

// taken moves past the frame that peek read.
func (p *part) taken() {
	p.ready = false
	p.begun = p.s.offset()
}

// heldBefore reports whether the frame that peek read waited in the reorder buffer at the restart.
func (p *part) heldBefore() bool {
	_, found := slices.BinarySearch(p.Held, p.begun)
	return found
}
