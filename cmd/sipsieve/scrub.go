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
	"sipsieve/sip/scrub"
)

func scrubCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "scrub IN OUT",
		Short: "a capture that can be sent to a vendor: the same calls at the same times, of nobody",
		Long: `Scrub writes a capture file (pcapng) in which numbers, names, addresses, hosts, tags, Call-IDs, branches,
credentials and bodies are others, the same for the same throughout the file. What stood for what is drawn at random
and forgotten. Lengths, times and what the protocol says stay: methods, statuses, header names, counts, timers, codecs.

Lengths stay, so who knows how long a name or number is can tell that it may be this one; the times of calls stay, so
who has your records can find a call by its time. Of payloads that are not SIP the length alone is left. WebSocket,
HEP and TLS are such payloads.`,
		Example: `  sipsieve scrub trouble.pcap for-the-vendor.pcapng
  sipsieve replay for-the-vendor.pcapng        # look at it before it is sent`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, files []string) error {
			return scrubFile(files[0], files[1], cmd.ErrOrStderr())
		},
	}
}

// scrubFile writes what may be seen of the capture file in to a new file out, and what became of it to stderr.
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
	fmt.Fprintf(stderr, "%d of %d frames written; dropped: %s\n%d SIP messages; %d payloads, or parts of streams, "+
		"are not SIP: blanked\n", sum.Written, sum.Read, sums(sum.Dropped).words(), sum.Messages, sum.Blanked)
	return nil
}

// readFrames calls add with every frame of the capture file at path. It returns what ended the reading early.
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
