// Package capturetest makes SIP traffic for tests and measurements: calls that are drawn as text, a corpus of calls,
// datagrams of any payload, and all of them inside tunnels. Equal arguments make equal frames.
package capturetest

import (
	"io"

	"sipsieve/capture/ladder"
	"sipsieve/capture/wire"
)

// A Frame is one link-layer frame and when it was captured.
type Frame = wire.Frame

// Ladder returns the frames of the ladder src: see package ladder.
func Ladder(src []byte) ([]Frame, error) { return ladder.Frames(src) }

// WritePcap writes frames as a capture file: see package wire.
func WritePcap(w io.Writer, frames []Frame) error { return wire.WritePcap(w, frames) }
