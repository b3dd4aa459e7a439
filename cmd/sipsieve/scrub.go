package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"sipsieve/capture/decode"
	"sipsieve/capture/pcap"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/sip/scrub"
)

func scrubCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "scrub IN OUT",
		Short: "write a copy of a capture without identities, such as for a vendor",
		Long: `Scrub writes a new capture file (pcapng) in which numbers, names, addresses, hosts, tags, Call-IDs, branches,
credentials and bodies are replaced. Equal values get equal replacements throughout the file; the replacements are
random and the mapping is not kept. Lengths, times and the protocol itself stay: methods, status codes, header names,
counts, timers, codecs.

Two risks remain: the length of a number or name is kept, and whoever has records of the same calls can match them by
time. Of a payload that is not SIP, which WebSocket, HEP and TLS are here, only the length is kept.

Exit codes: 0 also for a capture that ends in the middle of a frame; 2 if the input is no capture file or the output
exists.`,
		Example: `  sipsieve scrub trouble.pcap for-the-vendor.pcapng
  sipsieve replay for-the-vendor.pcapng        # review it before you send it`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, files []string) error {
			return scrubFile(files[0], files[1], cmd.ErrOrStderr())
		},
	}
}

// scrubFile writes the capture file in, without identities, to the new file out, and a summary to stderr.
func scrubFile(in, out string, stderr io.Writer) (err error) {
	var key [32]byte
	if _, err := rand.Read(key[:]); err != nil {
		return err
	}
	s := scrub.New(key)
	cut := readFrames(in, s.Add)
	if cut != nil && !errors.Is(cut, pcap.ErrTruncated) {
		return refused(cut)
	}
	w, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return refused(err)
	}
	sum, err := s.Write(w)
	if err = errors.Join(err, w.Close()); err != nil {
		return refused(errors.Join(err, os.Remove(out)))
	}
	if cut != nil {
		fmt.Fprintln(stderr, cut)
	}
	fmt.Fprintf(stderr, "%d of %d frames written; dropped: %s\n%d SIP messages; %d payloads or stream segments are not "+
		"SIP and were blanked\n", sum.Written, sum.Read, ledger.Sums(sum.Dropped).Words(), sum.Messages, sum.Blanked)
	return nil
}

// readFrames calls add with every frame of the capture file at path. It returns the error that ended the reading early.
func readFrames(path string, add func(*decode.Frame) error) error {
	frames, err := pcap.OpenFrames(path, pcap.DefaultConfig())
	if err != nil {
		return err
	}
	var f decode.Frame
	for err == nil {
		if err = frames.Next(&f); err == nil {
			err = add(&f)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, frames.Close())
}
