// Package facts copies from SIP messages the texts that records are made of: numbers, hosts, codecs, identifiers.
//
// A Fact names one such text and its source. A Gather reads messages and collects Facts: what no reader in this package
// copies is in no Facts, and so in no record. Display names are never copied.
//
// # Limits
//
// One text has at most 512 bytes and the Facts of one message 16 KiB, the Call-ID and the tags not counted; Facts take
// 32 KiB at most. What does not fit is cut or left out, without an error. No value is verified, and nothing is fetched.
package facts
