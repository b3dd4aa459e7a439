package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Reasons for which sipgrep 2.1.0 counts other messages than tshark and we do.
const (
	endless   = "it prints one message again and again and does not end"
	noIPv6    = "it reads no IPv6"
	noVLAN    = "it reads no VLAN tags"
	noCooked2 = "it reads no Linux cooked v2"
	segments  = "it takes each TCP segment for a message"
	noFrames  = "it reads no WebSocket"
	noTunnels = "it reads no tunnels, and takes other payloads for SIP"
	takesHTTP = "it takes HTTP for SIP"
)

// sipgrepDiffers are the captures of which sipgrep counts other messages, with the reason.
var sipgrepDiffers = map[string]string{
	"d1-vlan100": noVLAN, "g18-ipv6-udp-access": noIPv6, "g18-ipv6-udp-core": noIPv6, "g26-any-sll2-any": noCooked2,
	"g16-tcp-access": segments, "g16-tcp-core": segments, "g32-websocket-access": noFrames,
	"arkime-synthetic": noTunnels, "sngrep-ipip": noTunnels, "ndpi-http-on-sip-port": takesHTTP,
	"d2-snaplen300": endless, "g25-hep3-core": endless, "g31-torture-access": endless, "hepws-hep": endless,
	"ndpi-fuzz-2594": endless, "ndpi-sip-hello": endless, "ppp-reqs": endless, "sngrep-aaa": endless,
	"suriver-compact-form": endless, "suriver-header-multi": endless, "suriver-method": endless, "suriver-sdp": endless,
	"suriver-tcp-method": endless,
}

// sipgrepHead begins each message that sipgrep prints.
var sipgrepHead = regexp.MustCompile(`^[UT] \d{4}/`)

// TestMessagesAreCountedAsSipgrepDoes compares the messages of every capture with another reader, or gives the reason why not.
func TestMessagesAreCountedAsSipgrepDoes(t *testing.T) {
	need(t, "sipgrep")
	eachCapture(t, func(t *testing.T, name, path string) {
		text, err := os.ReadFile(strings.TrimSuffix(path, filepath.Ext(path)) + ".truth.json")
		var truth truthFile
		if err != nil || json.Unmarshal(text, &truth) != nil {
			t.Skip("no truth beside it")
		}
		want := int(truth.Requests.Total() + truth.Statuses.Total())
		got, ended := sipgrepCount(t, path, 10*want+100)
		if why, differs := sipgrepDiffers[name]; differs != (got != want || !ended) {
			t.Errorf("sipgrep = %d, ended %v, want %d (known difference: %q)", got, ended, want, why)
		}
	})
}

// sipgrepCount returns how many messages sipgrep prints, up to a limit, and whether it ended before.
func sipgrepCount(t *testing.T, path string, limit int) (n int, ended bool) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	cmd := exec.CommandContext(ctx, "sipgrep", "-C", "-m", "-x", "-g", "-P", "1-65535", "-I", path)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for n < limit && lines.Scan() {
		if sipgrepHead.Match(lines.Bytes()) {
			n++
		}
	}
	ended = n < limit && ctx.Err() == nil
	stop()
	_ = cmd.Wait() // it is killed, or has said what it has to say
	return n, ended
}
