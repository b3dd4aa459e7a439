package main

import (
	"errors"
	"runtime"

	"github.com/spf13/cobra"

	"sipsieve/cmd/sipsieve/source"
	"sipsieve/sip"
	"sipsieve/store/cpni"
	"sipsieve/store/policy/preview"
)

// shownExamples is how many examples of a column --show prints.
const shownExamples = 3

func policyPreviewCommand() *cobra.Command {
	var f captureFlags
	var show bool
	cmd := &cobra.Command{
		Use:   "preview --pcap FILE [flags]",
		Short: "show on a capture file what each purpose would publish of each field, and why not the rest",
		Long: `Preview makes the excerpts of each purpose of a capture file (pcap or pcapng; plain, gzip or zstd), as run would publish
them, and shows for every field that was seen in how many records it was, and for each purpose the key under which it
leaves, the form, how many values were published, and their shapes: 9 is a digit, a is a letter, +9{11} a number of eleven
digits. Then why the rest is not published: withheld because its party asked for privacy, left empty by the form (such as
a word that is not on the list of known), in records that the purpose does not take, or dropped because the purpose does
not name the field. At the end stand the headers of the IANA registry that are in the traffic and that nothing reads; of
headers outside the registry only the number of their lines.

No value of the capture is printed but with --show, which prints examples of what was seen and what would be published.

Pseudonyms and ids are made with published keys. The file is read three times, so that it cannot be a pipe.

Exit codes: 0 with the report; 1 for a file that cannot be read to its end; 2 for a file, flag or policy that is refused;
3 for a policy that requires what this version does not offer.`,
		Example: `  # what does the shipped policy publish of an hour of our traffic?
  sipsieve policy preview --pcap trunk.pcap

  # the same of a draft, with the trunks of the configuration, and with examples
  sipsieve policy preview --pcap trunk.pcap --policy draft.toml --config sipsieve.toml --show`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return printPreview(cmd, &f, show) },
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&show, "show", false, "print examples of values, seen and published")
	return cmd
}

func printPreview(cmd *cobra.Command, f *captureFlags, show bool) error {
	setup, err := f.setup()
	if err != nil {
		return refused(err)
	}
	examples := 0
	if show {
		examples = shownExamples
	}
	plan := setup.Plan(runtime.GOMAXPROCS(0), false)
	study := preview.New(setup.Purposes, plan.Selection, examples)
	if err := f.readHeaders(study); err != nil {
		return refused(err)
	}
	if err := f.follow(cmd, setup, plan, study.Add); err != nil {
		return err
	}
	all, named := make([]cpni.Field, cpni.Fields()), setup.Policy.Fields()
	for i := range all {
		all[i] = cpni.Field(i)
	}
	plan = setup.Plan(runtime.GOMAXPROCS(0), false)
	plan.Selection = cpni.Selection(all)
	if err := f.follow(cmd, setup, plan, func(r *cpni.Record) { study.See(r, named) }); err != nil {
		return err
	}
	return f.print(cmd, study.Report())
}

// readHeaders counts the headers of the files. What ends a file early is the error of the reading that follows it.
func (f *captureFlags) readHeaders(study *preview.Study) error {
	src, err := source.OpenFiles(f.files, f.feed, 0)
	if err != nil {
		return err
	}
	if src.Piped() {
		return errors.Join(errors.New("pcap: a pipe can be read once only: want a file"), src.Close())
	}
	messages := sip.NewReader(sip.Selection{}, sip.DefaultLimits())
	for {
		p, err := src.Next()
		if err != nil {
			return src.Close()
		}
		messages.Read(&p, study.Headers)
	}
}
