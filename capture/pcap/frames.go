package pcap

import "sipsieve/capture/decode"

// Frames are the frames of a capture file as they lie in it, not decoded.
type Frames struct{ s *Source }

// OpenFrames opens the capture file at path; "-" is standard input.
func OpenFrames(path string, cfg Config) (*Frames, error) {
	s, err := Open(path, cfg)
	return &Frames{s}, err
}

// Next sets f to the next frame, whose bytes are borrowed until the call after. Errors are those of Source.Next.
func (r *Frames) Next(f *decode.Frame) error {
	if err := r.s.readFrame(&r.s.coming); err != nil {
		r.s.end(err)
		return r.s.ended
	}
	r.s.counts.Seen.Add(1)
	*f = r.s.coming.Frame
	return nil
}

// Close ends the reading.
func (r *Frames) Close() error { return r.s.Close() }
