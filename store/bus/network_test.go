package bus

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A network is three network namespaces, each with a server, which a bridge joins with the test's own. It needs root.
type network struct {
	name   string // of the namespace of the bridge, and the beginning of the others'
	prefix string // first three bytes of the addresses
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	pid := os.Getpid()
	n := &network{fmt.Sprintf("sipsieve-bus-%d", pid), fmt.Sprintf("10.%d.%d", 128|pid>>8&127, pid&255)}
	n.ip(t, "netns add %s", n.name)
	t.Cleanup(func() { n.ip(t, "netns del %s", n.name) })
	n.ip(t, "-n %s link add bridge type bridge", n.name)
	n.ip(t, "-n %s link set bridge up", n.name)
	for i := range 3 {
		n.ip(t, "netns add %s", n.server(i))
		t.Cleanup(func() { n.ip(t, "netns del %s", n.server(i)) })
		n.ip(t, "-n %s link add port%d type veth peer name eth0 netns %s", n.name, i, n.server(i))
		n.ip(t, "-n %s addr add %s/24 dev eth0", n.server(i), n.address(i))
		n.ip(t, "-n %s link set eth0 up", n.server(i))
		n.ip(t, "-n %s link set lo up", n.server(i))
		n.plug(t, fmt.Sprint("port", i))
	}
	here := fmt.Sprintf("bus%d", pid)
	n.ip(t, "-n %s link add port3 type veth peer name %s netns %d", n.name, here, pid)
	t.Cleanup(func() { n.ip(t, "link del %s", here) })
	n.ip(t, "addr add %s.9/24 dev %s", n.prefix, here)
	n.ip(t, "link set %s up", here)
	n.plug(t, "port3")
	return n
}

// plug joins an interface with the bridge.
func (n *network) plug(t *testing.T, port string) {
	t.Helper()
	n.ip(t, "-n %s link set %s master bridge up", n.name, port)
}

// link sets the cable of server i up or down.
func (n *network) link(t *testing.T, i int, state string) {
	t.Helper()
	n.ip(t, "-n %s link set port%d %s", n.name, i, state)
}

func (n *network) server(i int) string  { return fmt.Sprint(n.name, "-", i) }
func (n *network) address(i int) string { return fmt.Sprint(n.prefix, ".", i+1) }

func (n *network) ip(t *testing.T, format string, args ...any) {
	t.Helper()
	line := fmt.Sprintf(format, args...)
	if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", line, err, out)
	}
}

// newClusterIn starts a cluster of three servers in the namespaces of n. Nothing is between its servers but the network.
func newClusterIn(t *testing.T, n *network) *cluster {
	t.Helper()
	c := &cluster{}
	for i := range c.servers {
		one := task{Name: fmt.Sprintf("n%d", i), Dir: serverDir(t), Namespace: n.server(i), Host: n.address(i)}
		for j := range c.servers {
			if j != i {
				one.Routes = append(one.Routes, fmt.Sprint(n.address(j), ":", clusterPort))
			}
		}
		c.addresses = append(c.addresses, fmt.Sprintf("nats://%s:%d", n.address(i), clientPort))
		c.servers[i] = one.run(t)
		c.servers[i].line(t)
	}
	c.arrange(t)
	return c
}
