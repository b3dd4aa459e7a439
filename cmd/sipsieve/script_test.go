package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sipsieve/capture/afpacket"
	"sipsieve/capture/capturetest"
)

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))) // most tests wait for processes
	testscript.Main(withDatabase{m}, map[string]func(){
		"sipsieve": func() { os.Exit(scriptLine()) },
		"ladder":   ladder,
		"wrap":     wrap,
		"feed":     mirrorLadder,
		"cipher":   cipher,
		"hub":      runHub,
	})
}

// scriptLine is the command line in a script. A replay fails if its ledger counts other misfits than the script expects
// (env MISFITS=n): a field that is null because its extractor is wrong.
func scriptLine() int {
	expected, ok := os.LookupEnv("MISFITS")
	if !ok || len(os.Args) < 2 || os.Args[1] != "replay" {
		return commandLine()
	}
	file := "misfits.json"
	if i := slices.Index(os.Args, "--ledger"); i > 0 && i+1 < len(os.Args) {
		file = os.Args[i+1]
	} else {
		os.Args = append(os.Args, "--ledger", file)
	}
	_ = os.Remove(file)
	code := commandLine()
	if got, ok := misfitsIn(file); ok && got != expected {
		_, _ = fmt.Fprintf(os.Stderr, "misfits = %s in the ledger, want %s: a field has a value of a wrong type or word\n",
			got, expected)
		return 1
	}
	return code
}

// misfitsIn returns how many misfits a ledger counts; false if there is no ledger, for the replay was refused.
func misfitsIn(file string) (string, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", false
	}
	var l struct{ Values struct{ Misfits *uint64 } }
	if err := json.Unmarshal(text, &l); err != nil || l.Values.Misfits == nil {
		return "unknown", true
	}
	return strconv.FormatUint(*l.Values.Misfits, 10), true
}

// ladder turns a ladder into a capture file: ladder IN OUT.
func ladder() {
	drawn(func(frames []capturetest.Frame) ([]capturetest.Frame, error) { return frames, nil })
}

// drawn turns the ladder that the first argument names into the capture file of the last, with its frames changed.
func drawn(change func([]capturetest.Frame) ([]capturetest.Frame, error)) {
	src, err := os.ReadFile(os.Args[1])
	var frames []capturetest.Frame
	if err == nil {
		frames, err = capturetest.Ladder(src)
	}
	if err == nil {
		frames, err = change(frames)
	}
	var b bytes.Buffer
	if err == nil {
		err = capturetest.WritePcap(&b, frames)
	}
	if err == nil {
		err = os.WriteFile(os.Args[len(os.Args)-1], b.Bytes(), 0o600)
	}
	if err != nil {
		_, _ = os.Stderr.WriteString(os.Args[0] + ": " + err.Error() + "\n")
		os.Exit(2)
	}
}

// TestVerbs runs the manual of every verb: testdata/script/VERB.txt.
func TestVerbs(t *testing.T) {
	t.Parallel()
	testscript.Run(t, scripts("testdata/script"))
}

// TestStories runs the stories of testdata/story: traffic, and what replay makes of it.
func TestStories(t *testing.T) {
	t.Parallel()
	testscript.Run(t, scripts("testdata/story"))
}

// TestEveryVerbHasItsManual compares the verbs of the command line with the scripts.
func TestEveryVerbHasItsManual(t *testing.T) {
	for _, verb := range rootCommand().Commands() {
		text, err := os.ReadFile(filepath.Join("testdata", "script", verb.Name()+".txt"))
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.HasPrefix(string(text), "# sipsieve "+verb.Name()+" ") {
			t.Errorf("%s: want a first line that says what the verb is for", verb.Name())
		}
		for _, sub := range verb.Commands() {
			if !strings.Contains(string(text), "\nsipsieve "+verb.Name()+" "+sub.Name()+" ") {
				t.Errorf("%s: want the use of %s", verb.Name(), sub.Name())
			}
		}
	}
}

// scripts returns how the scripts of a folder run, with two commands more.
func scripts(dir string) testscript.Params {
	setup := func(env *testscript.Env) error {
		env.Setenv("MISFITS", "0")
		return nil
	}
	condition := func(word string) (bool, error) {
		if word != "cgo" { // this binary was made with it
			return false, errors.New("no such condition")
		}
		return errors.Is(afpacket.CheckCapabilities(), syscall.ENOTSUP), nil
	}
	return testscript.Params{Dir: dir, Setup: setup, Condition: condition, Cmds: map[string]func(*testscript.TestScript, bool, []string){
		"await": await,
		"exits": exits,
	}}
}

// await runs a command until its standard output matches: await PATTERN COMMAND...
func await(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile(args[0])
	for limit := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(limit) {
			ts.Fatalf("%s: no %q within %s", strings.Join(args[1:], " "), args[0], patience)
		}
	}
}

// exits runs a command that must end with that exit code: exits CODE COMMAND...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if args[0] != strconv.Itoa(code) {
		ts.Fatalf("exit code = %d, want %s", code, args[0])
	}
}
