package sip

import "sipsieve/capture"

// streams are the byte streams that a Reader follows.
type streams struct{}

// stream reads the messages that p's stream brings to an end.
func (r *Reader) stream(p *capture.Packet, take func(*Message)) { _, _ = p, take }
