// Package facts copies from SIP messages the texts that records are made of: numbers, hosts, codecs, identifiers.
//
// A Fact names one such text and its source. A Gather reads messages and collects Facts: a text that no reader of this
// package copies is in no record. Display names are never copied.
//
// # Limits
//
// One text has at most 512 bytes and the Facts of one message 16 KiB, the Call-ID and the tags not counted; Facts take
// 32 KiB at most. A longer text is truncated, a text too many omitted, without an error. No value is verified, and
// nothing is fetched.
package facts
