// Package scrub makes of a capture file one that can be shown to others: the same signalling at the same times, of
// people who do not exist.
//
// # What stays
//
// A frame is written as zeros of its own length. Copied into it are the headers that are understood, with other
// addresses, and of SIP the names, numbers and words of the protocol (vocabulary.go); every other letter and digit is
// replaced by another one. A payload that is not SIP becomes the letter x. A frame that is not understood is dropped, for
// a reason of a closed set.
//
// # Disguises
//
// What stands for a text, an address or a port is drawn at random, is the same for the whole run, and is not written
// down. Its length is that of the original, so that lengths and offsets stay true.
//
// # Limits
//
// All frames of a run are in memory, 512 MiB at most.
package scrub

import (
	"errors"
	"fmt"
	"io"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"sipsieve/capture/decode"
)

// limit bounds the frames of one run, in bytes: they are all in memory.
const limit = 512 << 20

// ErrTooLarge is returned when there are more than that.
var ErrTooLarge = errors.New("scrub: more than 512 MiB of frames: cut the file (editcap -c) and scrub its parts")

// A Summary counts what became of frames and payloads. What is dropped is so for a reason of a closed set.
type Summary struct {
	Read, Written uint64
	Dropped       map[string]uint64
	Messages      uint64 // of SIP
	Blanked       uint64 // payloads, or parts of streams, that are not SIP
}

// A Scrubber scrubs the frames of one run. One goroutine uses it.
type Scrubber struct {
	frames []*frame
	room   int // bytes that may still be added
	walker walker
	sum    Summary
}

// New returns a Scrubber whose draws follow from key. With the key and the capture the same draws can be made again: use
// 32 random bytes and keep them nowhere.
func New(key [32]byte) *Scrubber {
	s := &Scrubber{room: limit, sum: Summary{Dropped: map[string]uint64{}}}
	d := newDisguise(key)
	p := payloads{messages: messages{values{words{d}}}, sum: &s.sum}
	s.walker = walker{disguise: d, payloads: p, streams: streams{of: map[streamKey][][]segment{}, payloads: p},
		fragments: fragments{last: map[fragmentKey]*datagram{}, disguise: d, payloads: p}}
	return s
}

// Add takes the next frame. It returns ErrTooLarge when there is no room for it.
func (s *Scrubber) Add(f *decode.Frame) error {
	if s.room -= len(f.Data); s.room < 0 {
		return ErrTooLarge
	}
	s.sum.Read++
	fr := newFrame(f)
	if why := s.walker.walk(fr); why != "" {
		s.sum.Dropped[why]++
		return nil
	}
	s.frames = append(s.frames, fr)
	return nil
}

// Write writes all frames as a pcapng file. No frame is added afterwards.
func (s *Scrubber) Write(w io.Writer) (Summary, error) {
	s.walker.streams.finish()
	s.walker.fragments.finish()
	links, file := map[decode.LinkType]int{}, (*pcapgo.NgWriter)(nil)
	for _, fr := range s.frames {
		fr.sum()
		number, known := links[fr.link]
		var err error
		switch face := faceOf(fr.link); {
		case file == nil:
			file, err = pcapgo.NewNgWriterInterface(w, face, section)
		case !known:
			number, err = file.AddInterface(face)
		}
		links[fr.link] = number
		if err == nil {
			err = file.WritePacket(gopacket.CaptureInfo{Timestamp: fr.time, CaptureLength: len(fr.out),
				Length: max(fr.length, len(fr.out)), InterfaceIndex: number}, fr.out)
		}
		if err != nil {
			return s.sum, fmt.Errorf("scrub: %w", err)
		}
		s.sum.Written++
	}
	if file == nil {
		return s.sum, errors.New("scrub: no frame carries UDP or TCP")
	}
	return s.sum, file.Flush()
}

// section and faceOf name nothing of the host on which the file was made.
var section = pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Application: "sipsieve scrub"}}

func faceOf(link decode.LinkType) pcapgo.NgInterface {
	return pcapgo.NgInterface{LinkType: layers.LinkType(link), TimestampResolution: 9}
}
