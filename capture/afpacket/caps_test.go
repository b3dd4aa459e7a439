package afpacket

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const inChild = "AFPACKET_TEST_CHILD"

// childBinary builds this package's tests, once, as the product is built: without cgo.
var childBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "afpacket")
	if err != nil {
		return "", err
	}
	childDir = dir
	binary := filepath.Join(dir, "afpacket.test")
	build := exec.Command("go", "test", "-c", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return binary, os.Chmod(dir, 0o755) // so that user nobody may run it
})

var childDir string // of childBinary; "" before it is built

func TestMain(m *testing.M) {
	code := m.Run()
	if childDir != "" {
		_ = os.RemoveAll(childDir)
	}
	os.Exit(code)
}

// withoutCgo returns the path of childBinary.
func withoutCgo(t *testing.T) string {
	t.Helper()
	binary, err := childBinary()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// runChild runs a test in a process of its own, where inChild has that value.
func runChild(t *testing.T, binary, test, value string, who *syscall.SysProcAttr) {
	t.Helper()
	child := exec.Command(binary, "-test.run=^"+test+"$", "-test.v", "-test.timeout=2m")
	child.Env, child.SysProcAttr = append(os.Environ(), inChild+"="+value), who
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+test) {
		t.Errorf("child: %v: %s", err, out)
	}
}

// TestCapabilityIsGoneFromEveryThread runs itself in a process of its own: once as root, once as the unit runs it,
// nobody with one capability.
func TestCapabilityIsGoneFromEveryThread(t *testing.T) {
	if os.Getenv(inChild) != "" {
		dropAndLook(t)
		return
	}
	t.Parallel()
	namespace(t)
	binary := withoutCgo(t)
	for _, who := range []*syscall.SysProcAttr{
		{},
		{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: []uintptr{unix.CAP_NET_RAW}},
	} {
		runChild(t, binary, t.Name(), "1", who)
	}
}

// dropAndLook finds itself in its parent's namespace.
func dropAndLook(t *testing.T) {
	c := config("far")
	c.Promiscuous, c.Fanout = true, 2
	rs, _ := opened(t, c)
	w := wireOf(t, "near")
	w.send(datagram(5060, 1, 100))
	if err := CheckCapabilities(); err != nil {
		t.Errorf("before: %v, want none", err)
	}
	if err := DropCapabilities(); err != nil {
		t.Fatal(err)
	}
	if err := CheckCapabilities(); !errors.Is(err, unix.EPERM) {
		t.Errorf("afterwards: %v, want EPERM", err)
	}
	statuses, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(statuses) < 2 {
		t.Fatalf("threads = %d, %v, want 2 or more", len(statuses), err)
	}
	for _, name := range statuses {
		lookAt(t, name)
	}
	if _, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != unix.EPERM {
		t.Errorf("another packet socket = %v, want EPERM", err)
	}
	w.send(datagram(5060, 2, 100))
	var came atomic.Int64
	var readers sync.WaitGroup
	for _, r := range rs {
		readers.Go(func() {
			for f := (frame{}); r.nextFrame(&f) == nil; {
				came.Add(1)
			}
		})
	}
	for limit := time.Now().Add(patience); came.Load() < 2 && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
	for _, r := range rs {
		_ = r.close()
	}
	if readers.Wait(); came.Load() != 2 {
		t.Errorf("frames = %d, want 2: the open rings go on", came.Load())
	}
	if err := Overlaps([]string{"near", "far"}); err == nil {
		t.Error("interfaces cannot be distinguished without a capability")
	}
}

// lookAt checks the five sets of one thread: CapInh, CapPrm, CapEff, CapAmb, and CapBnd where root may lower it.
func lookAt(t *testing.T, name string) {
	t.Helper()
	status, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	sets := 0
	for line := range strings.Lines(string(status)) {
		set, mask, ok := strings.Cut(strings.TrimSpace(line), ":\t")
		if !ok || !strings.HasPrefix(set, "Cap") {
			continue
		}
		sets++
		if set == "CapBnd" && os.Getuid() != 0 {
			continue
		}
		if fromHex(mask)[6]&(1<<(unix.CAP_NET_RAW-8)) != 0 {
			t.Errorf("%s: %s = %s holds CAP_NET_RAW", name, set, mask)
		}
	}
	if sets != 5 {
		t.Errorf("%s: sets = %d, want 5", name, sets)
	}
}
