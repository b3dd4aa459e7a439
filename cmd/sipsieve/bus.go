package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/store"
	"sipsieve/store/bus"
)

// hubTimeout is how long a hub may take to answer the verb bus.
const hubTimeout = 3 * time.Second

// A hubCommand is the flags of bus plan and bus apply.
type hubCommand struct {
	config, creds, nkey, cluster, disk, ops string
	replicas                                int
	duplicates                              time.Duration
	tags, stores                            []string
}

func busCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bus",
		Short: "the streams and consumers of a hub, made and compared by the policy",
		Long: `A hub is a NATS server or cluster with JetStream that many hosts push to. It has a stream for each purpose of the
policy, a durable consumer for each audience of a purpose and for each host that keeps a store, and the stream OPS. They
are made here, by a user who may; those who publish and read need no right to.`,
	}
	cmd.AddCommand(hubVerb("plan", "print what apply would make or change on the hub", planHelp, planHub),
		hubVerb("apply", "make and change the streams and consumers of the hub", applyHelp, applyHub))
	return cmd
}

// hubVerb returns bus plan or bus apply.
func hubVerb(name, short, long string, do func(context.Context, *bus.Bus, bus.HubPlan, io.Writer) error) *cobra.Command {
	var c hubCommand
	cmd := &cobra.Command{
		Use:   name + " --config FILE",
		Short: short,
		Long:  long,
		Example: "  sipsieve bus " + name + " --config /etc/sipsieve/sipsieve.toml --creds admin.creds\n" +
			"  sipsieve bus " + name + " --config /etc/sipsieve/sipsieve.toml --replicas 1 --store archive1",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.run(cmd.Context(), func(ctx context.Context, b *bus.Bus, p bus.HubPlan) error {
				return do(ctx, b, p, cmd.OutOrStdout())
			})
		},
	}
	f := cmd.Flags()
	configFlag(cmd, &c.config)
	f.StringVar(&c.creds, "creds", "", "credentials `file` of a user who may make streams, in place of hub.creds")
	f.StringVar(&c.nkey, "nkey", "", "seed `file` of the nkey of such a user, in place of hub.nkey")
	f.IntVar(&c.replicas, "replicas", 3, "copies of each stream on different servers; 1 for a server without a cluster")
	f.StringVar(&c.disk, "disk", "", "`size` that all streams share by priority, such as 500GiB (default no limit)")
	f.StringVar(&c.ops, "ops-disk", "", "`size` of the stream OPS beside that, such as 5GiB (default a share of --disk)")
	f.StringVar(&c.cluster, "cluster", "", "`name` of the cluster that has the streams")
	f.StringSliceVar(&c.tags, "tag", nil, "`tag` of the servers that have the streams; may be repeated")
	f.DurationVar(&c.duplicates, "duplicates", 2*time.Minute, "time within which a repeated publication is recognised")
	f.StringSliceVar(&c.stores, "store", nil, "`sensor` of a host that keeps a store of the hub; may be repeated")
	return cmd
}

const planHelp = `Plan compares the hub of the configuration with its policy and prints a line for each difference: + for
what is missing, ~ for a setting that differs. It changes nothing.

Exit codes: 0 if nothing differs; 1 if something does, or the hub cannot be reached; 2 for a configuration or a flag that
is refused.`

const applyHelp = `Apply makes on the hub of the configuration what plan prints. What the policy does not name, and settings
that it does not decide, stay; no record is removed, except that a shorter bus_retain lets older ones expire. Twice
changes nothing. The stream OPS keeps each record for the longest retain of the policy.

Exit codes: 0 if the hub is as the policy has it; 1 if the hub cannot be reached or refuses; 2 for a configuration or a
flag that is refused.`

// run connects to the hub of the configuration and calls do with what the policy and the flags want there.
func (c *hubCommand) run(ctx context.Context, do func(context.Context, *bus.Bus, bus.HubPlan) error) error {
	s, err := config.Load(c.config)
	if err != nil {
		return refused(err)
	}
	if s.Hub == nil {
		return refused(s.Wrong("hub", "missing: plan and apply are of a hub"))
	}
	p, err := c.plan(&s)
	if err != nil {
		return refused(err)
	}
	h := s.Hub.Files()
	if c.creds != "" || c.nkey != "" {
		h.Creds, h.NKey = c.creds, c.nkey
	}
	b, err := bus.Connect(bus.Remote{URL: h.URL, Credentials: h.Creds, NKey: h.NKey, CA: h.CA, Cert: h.Cert, Key: h.Key,
		Inbox: h.Inbox, Name: "sipsieve bus"})
	if err != nil {
		return refused(err)
	}
	defer func() { _ = b.Close() }()
	soon, stop := context.WithTimeout(ctx, hubTimeout)
	defer stop()
	if err := b.Reach(soon); err != nil {
		return exit{exitFindings, err}
	}
	return do(ctx, b, p)
}

// plan returns what the policy of s and the flags want on the hub.
func (c *hubCommand) plan(s *config.Config) (p bus.HubPlan, err error) {
	p = bus.HubPlan{Replicas: c.replicas, Cluster: c.cluster, Tags: c.tags, Duplicates: c.duplicates}
	if c.replicas < 1 || c.duplicates <= 0 {
		return p, errors.New("--replicas, --duplicates: want more than 0")
	}
	if p.DiskLimit, err = config.Size(c.disk); err != nil {
		return p, fmt.Errorf("--disk: %w", err)
	}
	if p.OpsLimit, err = config.Size(c.ops); err != nil {
		return p, fmt.Errorf("--ops-disk: %w", err)
	}
	rules, err := config.ReadPolicy(s.Rules.File)
	if err != nil {
		return p, err
	}
	p.OpsRetain = rules.LongestRetain()
	stores := c.stores
	if s.Store != nil && len(s.Source) == 0 && !slices.Contains(stores, s.Sensor) {
		stores = append(stores, s.Sensor)
	}
	for _, one := range rules.Purposes() {
		p.Streams = append(p.Streams, bus.StreamConfig{Purpose: one.Name, Retain: one.BusRetain.Shortest(), Priority: one.Priority})
		for _, who := range one.Audience {
			p.Readers = append(p.Readers, bus.Reader{Purpose: one.Name, Name: who})
		}
		for _, sensor := range stores {
			p.Readers = append(p.Readers, bus.Reader{Purpose: one.Name, Name: "store-" + sensor})
		}
	}
	for _, sensor := range stores {
		p.Readers = append(p.Readers, bus.Reader{Purpose: store.Ops, Name: "store-" + sensor})
	}
	return p, p.Validate()
}

// planHub prints the differences.
func planHub(ctx context.Context, b *bus.Bus, p bus.HubPlan, out io.Writer) error {
	list, others, err := b.Compare(ctx, p)
	printHub(out, list, others)
	switch {
	case err != nil:
		return exit{exitFindings, err}
	case len(list) > 0:
		return findings()
	}
	fmt.Fprintln(out, "nothing to change")
	return nil
}

// applyHub makes what differs, and prints it.
func applyHub(ctx context.Context, b *bus.Bus, p bus.HubPlan, out io.Writer) error {
	list, others, err := b.Apply(ctx, p)
	printHub(out, list, others)
	switch {
	case errors.Is(err, bus.ErrReplicas):
		return exit{exitFindings, fmt.Errorf("%w\nwant --replicas 1 for a server without a cluster, and no more than the "+
			"cluster has servers for another", err)}
	case err != nil:
		return exit{exitFindings, err}
	case len(list) == 0:
		fmt.Fprintln(out, "nothing to change")
	default:
		fmt.Fprintln(out, "done")
	}
	return nil
}

func printHub(out io.Writer, list []bus.Difference, others []string) {
	for _, d := range list {
		fmt.Fprintln(out, d)
	}
	for _, o := range others {
		fmt.Fprintf(out, "  %s: not of this policy, it stays\n", o)
	}
}
