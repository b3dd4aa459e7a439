package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A room is a package, what it may import of ours (these, and what these may import), which modules of
// others enter there, and the liberties it takes: go, clock, slog, lock, reveal, receive. Its bans are packages that it
// must never reach, each with the reason.
type room struct {
	imports, others, liberties []string
	bans                       map[string]string
}

// house is the plan of the house. A new room is entered here before it is built.
var house = map[string]room{
	"capture":        {},
	"capture/decode": {imports: []string{"capture"}, others: []string{"github.com/google/gopacket"}},
	"capture/afpacket": {imports: []string{"capture/decode"}, liberties: []string{"clock", "lock"},
		others: []string{"golang.org/x/sys/unix", "golang.org/x/net/bpf"}},
	"capture/pcap": {imports: []string{"capture/decode"}, liberties: []string{"go", "clock"}, // a pipe may wait
		others: []string{"github.com/klauspost/compress/zstd"}},
	"capture/hep":                    {imports: []string{"capture"}, liberties: []string{"go", "clock", "lock"}},
	"capture/wire":                   {},
	"capture/ladder":                 {imports: []string{"capture/wire"}},
	"capture/capturetest":            {imports: []string{"capture", "capture/ladder"}}, // for tests only
	"capture/capturetest/oracle":     {imports: []string{"capture/capturetest"}},
	"capture/capturetest/randomcall": {imports: []string{"capture/capturetest/oracle"}},
	"sip/syntax": {
		bans: map[string]string{"capture": "words, lines and URIs are read of text, not of packets"}},
	"sip/phone": {imports: []string{"sip/syntax"}, others: []string{"github.com/nyaruka/phonenumbers"},
		bans: map[string]string{"sip": "a number is read wherever it stands"}},
	"sip/useragent": {imports: []string{"sip/syntax"},
		bans: map[string]string{"sip": "a User-Agent text is read wherever it stands"}},
	"sip/sdp": {imports: []string{"sip/syntax"},
		bans: map[string]string{"sip": "a session description is read of a body"}},
	"sip/framing": {imports: []string{"capture", "sip/mem", "sip/syntax"},
		bans: map[string]string{"sip": "a framer finds messages and reads none of their headers but two"}},
	"sip": {imports: []string{"sip/framing", "sip/sdp"}, others: []string{"github.com/emiago/sipgo/sip"},
		bans: map[string]string{"sip/phone": "a message keeps numbers as they stand",
			"sip/useragent": "a message keeps texts as they stand"}},
	"sip/scrub": {imports: []string{"sip/syntax", "capture/decode"}, others: []string{"github.com/google/gopacket"},
		bans: map[string]string{"sip": "scrub keeps what a selection of headers steps over"}},
	"sip/mem":              {},
	"sip/facts":            {imports: []string{"sip", "sip/mem", "sip/phone"}},                              // of one message: no call is remembered
	"sip/event":            {imports: []string{"sip/facts"}, others: []string{"github.com/dchest/siphash"}}, // values: nothing is remembered
	"sip/siptest":          {imports: []string{"sip/event", "capture/capturetest", "capture/pcap"}},         // for tests only
	"sip/legs":             {imports: []string{"sip/event"}},                                                // of Events only: what is joined does not depend on how calls are followed
	"sip/devices":          {imports: []string{"sip/event", "sip/useragent"}},                               // likewise
	"sip/hops":             {imports: []string{"sip/event"}},                                                // what hops show: no dialog is decided
	"sip/bindings":         {imports: []string{"sip/hops", "sip/useragent"}, bans: map[string]string{"sip/dialog": "a registration is no call", "sip/calls": "a registration is no call"}},
	"sip/dialog":           {imports: []string{"sip/hops"}}, // a value: no table, no timer
	"sip/calls":            {imports: []string{"sip/dialog"}, bans: map[string]string{"sip/bindings": "a call is no registration"}},
	"sip/track":            {imports: []string{"sip/bindings", "sip/calls"}},
	"store/cpni":           {imports: []string{"sip/event", "sip/useragent"}, others: []string{"github.com/BurntSushi/toml"}},
	"store/policy/locate":  {},                                                    // lines of keys, whatever the file is
	"store/policy/wording": {others: []string{"github.com/agnivade/levenshtein"}}, // of a policy, whatever they mean
	"store/policy/syntax":  {},                                                    // texts of JSON, whatever they are
	"store/policy":         {imports: []string{"store/cpni", "store/policy/locate", "store/policy/syntax", "store/policy/wording"}, others: []string{"github.com/BurntSushi/toml"}, liberties: []string{"reveal"}},
	"store/policy/risk":    {imports: []string{"store/policy"}, bans: map[string]string{"store": "it is given excerpts: what a reader has"}},
	// Examples of values are shown to who asks for them.
	"store/policy/preview":  {imports: []string{"store/policy"}, liberties: []string{"reveal"}},
	"store/policy/review":   {imports: []string{"store/policy"}},                                                                      // reads policies for people: no record is known
	"store/policy/approval": {imports: []string{"store/policy/review", "store/disk"}, others: []string{"github.com/BurntSushi/toml"}}, // whose clock and keys it is given
	"store/vault":           {imports: []string{"store/cpni", "store/disk"}, others: []string{"github.com/BurntSushi/toml"}, liberties: []string{"reveal"}},
	"store":                 {imports: []string{"store/policy"}, liberties: []string{"receive"}}, // what a store kept is read again
	"store/disk":            {},                                                                  // files, whatever is in them
	"store/bus/host":        {others: []string{"github.com/nats-io/nats-server/v2"}, liberties: []string{"lock"}},
	"store/bus/blocks":      {others: []string{"github.com/minio/highwayhash"}},             // files of messages, without their server
	"store/bus/version":     {imports: []string{"store/disk"}},                              // of a folder, without its server
	"store/bus/remote":      {others: []string{"github.com/nats-io/nats.go"}},               // settings of a connection
	"store/bus/marks":       {imports: []string{"store/disk"}, liberties: []string{"lock"}}, // of streams, without their server
	"store/bus/aside":       {imports: []string{"store/disk", "store/bus/blocks"}},          // files of a stream that is made anew, without the server
	"store/bus": {imports: []string{"store", "store/disk", "store/vault", "store/bus/aside", "store/bus/marks", "store/bus/remote", "store/bus/version", "store/bus/host"}, liberties: []string{"go", "clock", "lock", "receive"},
		others: []string{"github.com/nats-io/nats.go", "github.com/nats-io/nats-server/v2", "github.com/synadia-io/orbit.go"}},
	"store/sqlite": {imports: []string{"store", "store/disk"}, others: []string{"modernc.org/sqlite"}, liberties: []string{"lock"}},
	"store/postgres": {imports: []string{"store"}, others: []string{"github.com/jackc/pgx/v5"}, liberties: []string{"lock"},
		bans: map[string]string{"store/sqlite": "a store is copied into another through store.Store"}},
	"store/postgres/pgtest": {others: []string{"github.com/jackc/pgx/v5"}, liberties: []string{"go", "clock", "lock"}}, // for tests only
	"store/storetest":       {imports: []string{"store"}, liberties: []string{"go", "receive"}},
	"cmd/sipsieve/pipeline": {imports: []string{"sip/track", "sip/legs", "sip/devices"}, others: []string{"golang.org/x/sync/errgroup"},
		liberties: []string{"go", "clock"}, bans: map[string]string{"store": "the pipeline knows no purpose",
			"store/cpni": "the pipeline makes no record"}},
	"cmd/sipsieve/checkpoint": {imports: []string{"store/disk", "store", "sip/track", "store/cpni", "store/vault"},
		liberties: []string{"clock", "slog"}},
	"cmd/sipsieve/config": {imports: []string{"cmd/sipsieve/pipeline", "capture/afpacket", "capture/hep", "capture/pcap",
		"store", "store/vault", "store/policy/approval", "configs"}, others: []string{"github.com/BurntSushi/toml"},
		bans: map[string]string{"store/bus": "a configuration is checked without a server",
			"store/sqlite":   "a configuration is checked without a store",
			"store/postgres": "a configuration is checked without a database"}},
	"cmd/sipsieve/ledger": {imports: []string{"cmd/sipsieve/pipeline", "capture/afpacket", "capture/hep", "store/cpni"},
		liberties: []string{"lock"}, bans: map[string]string{"store": "it counts excerpts and sees none",
			"cmd/sipsieve/config": "it is given names and numbers, never settings"}},
	"cmd/sipsieve/source": {imports: []string{"cmd/sipsieve/config", "cmd/sipsieve/ledger"}, // the wait between attempts
		others: []string{"golang.org/x/sys/unix"}, liberties: []string{"clock", "lock"},
		bans: map[string]string{"store/bus": "what is read is not put anywhere here"}},
	"cmd/sipsieve/collector": {imports: []string{"cmd/sipsieve/pipeline", "cmd/sipsieve/ledger", "cmd/sipsieve/checkpoint",
		"store"}, liberties: []string{"go", "clock"}, // the loop and the publisher; ages of batches and losses
		bans: map[string]string{"store/bus": "it puts on a Sink, whatever that is",
			"cmd/sipsieve/config": "it is given what it works on"}},
	"cmd/sipsieve/coverage": {imports: []string{"store/disk", "cmd/sipsieve/ledger", "store"}, liberties: []string{"clock", "slog", "lock"},
		bans: map[string]string{"store/bus": "it puts on a Sink, whatever that is",
			"cmd/sipsieve/config": "it is given what it works on"}},
	"cmd/sipsieve/archive": {imports: []string{"store/disk", "store"}, // texts of policies by their hashes
		bans: map[string]string{"store/sqlite": "it is given what reads a store", "cmd/sipsieve/config": "it is given a folder"}},
	"cmd/sipsieve/doctor": {imports: []string{"cmd/sipsieve/source"}, liberties: []string{"clock", "lock"},
		bans: map[string]string{"store/bus": "an examination publishes nothing",
			"store/sqlite": "an examination stores nothing", "store/postgres": "an examination stores nothing", "cmd/sipsieve/checkpoint": "an examination remembers nothing"}},
	"cmd/sipsieve/daemon": {imports: []string{"cmd/sipsieve/source", "cmd/sipsieve/collector", "cmd/sipsieve/coverage", "cmd/sipsieve/archive", "store/bus", "store/disk", "store/sqlite", "store/postgres"},
		others: []string{"golang.org/x/sync/errgroup"}, liberties: []string{"go", "clock", "slog", "lock"}},
	"cmd/sipsieve/reconcile": {imports: []string{"store"}, // given files, records and times: it opens nothing
		bans: map[string]string{"cmd/sipsieve/config": "it is given settings", "store/sqlite": "it is given records"}},
	"cmd/sipsieve/console": {imports: []string{"cmd/sipsieve/daemon"}, others: []string{"github.com/prometheus"},
		liberties: []string{"go", "clock", "lock"}, bans: map[string]string{"cmd/sipsieve/doctor": "pages show, they examine nothing"}},
	"cmd/sipsieve/plain": {others: []string{"golang.org/x/term"}, liberties: []string{"lock"}}, // of any text
	"cmd/sipsieve/sheet": {imports: []string{"cmd/sipsieve/plain", "cmd/sipsieve/parquet", "store/policy"},
		bans: map[string]string{"store": "it writes what it is given, wherever it was kept"}},
	"cmd/sipsieve/parquet": {others: []string{"github.com/parquet-go/parquet-go"}}, // values by key: no record is known
	"cmd/sipsieve/trial": {imports: []string{"cmd/sipsieve/source", "capture/ladder"}, others: []string{"github.com/rogpeppe/go-internal/txtar"},
		bans: map[string]string{"store/bus": "a test publishes nothing", "store/sqlite": "a test stores nothing"}},
	"cmd/sipsieve/traffic": {imports: []string{"store/policy"},
		bans: map[string]string{"store": "a report adds up what it is given, wherever it was kept"}},
	"cmd/sipsieve": {imports: []string{"*"}, others: []string{"*"}, liberties: []string{"go", "clock", "slog", "lock"}},
	"configs":      {},
	"configs/examples/consumer": {others: []string{"github.com/nats-io/nats.go", "modernc.org/sqlite"},
		liberties: []string{"clock", "slog"}}, // to be copied: nothing of ours
}

// entrances are the files that alone may import what stands beside them.
var entrances = map[string]string{
	"github.com/emiago/sipgo/sip":     "sip/parse.go",
	"github.com/nyaruka/phonenumbers": "sip/phone/library.go",
}

func TestWallsOfTheHouseStand(t *testing.T) {
	for _, complaint := range inspect(t, "../..") {
		t.Error(complaint)
	}
}

// TestNoRoomReachesWhatIsBanned compares the bans with what the imports of the plan allow.
func TestNoRoomReachesWhatIsBanned(t *testing.T) {
	for name, here := range house {
		for banned, why := range here.bans {
			if _, known := house[banned]; !known || why == "" {
				t.Errorf("%s: a ban of %q for %q", name, banned, why)
			}
			if reaches(name, banned) {
				t.Errorf("%s may import %s, but %s", name, banned, why)
			}
		}
	}
}

func TestPlantedViolationsAreSeen(t *testing.T) {
	planted := map[string]string{
		"import":  "package sip\nimport _ \"sipsieve/store\"\n",
		"module":  "package sip\nimport _ \"github.com/nats-io/nats.go\"\n",
		"go":      "package sip\nfunc f() { go f() }\n",
		"clock":   "package sip\nimport \"time\"\nvar now = time.Now\n",
		"slog":    "package sip\nimport \"log/slog\"\nfunc f() { slog.Info(\"x\") }\n",
		"print":   "package sip\nimport \"fmt\"\nfunc f() { fmt.Println(1) }\n",
		"lock":    "package sip\nimport \"sync\"\nvar mu sync.Mutex\n",
		"reveal":  "package sip\nfunc f() { cpni.Reveal(h) }\n",
		"receive": "package sip\nfunc f() { policy.Received(nil) }\n",
	}
	for wall, src := range planted {
		top := t.TempDir()
		if err := os.MkdirAll(filepath.Join(top, "sip"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(top, "sip", "planted.go"), []byte(src), 0o644); err != nil {
			t.Fatal(err)
		}
		if len(inspect(t, top)) == 0 {
			t.Errorf("%s: the planted violation was not seen", wall)
		}
	}
}

// inspect returns what stands against the plan in the Go files under top, tests left out.
func inspect(t *testing.T, top string) (complaints []string) {
	t.Helper()
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || len(d.Name()) > 2 && d.Name()[0] == '.' && path != top):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		rel, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		complaints = append(complaints, inspectFile(t, path, filepath.ToSlash(rel))...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return complaints
}

func inspectFile(t *testing.T, path, rel string) (complaints []string) {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.ToSlash(filepath.Dir(rel))
	here, known := house[name]
	if !known {
		return []string{rel + ": this room is not on the plan"}
	}
	say := func(n ast.Node, wall, what string) {
		if !slices.Contains(here.liberties, wall) {
			complaints = append(complaints, fmt.Sprintf("%s:%d: %s: %s", rel, fset.Position(n.Pos()).Line, wall, what))
		}
	}
	for _, spec := range file.Imports {
		to, _ := strconv.Unquote(spec.Path.Value)
		if why := mayImport(name, rel, to); why != "" {
			complaints = append(complaints, fmt.Sprintf("%s: import %s: %s", rel, to, why))
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			say(n, "go", "a goroutine starts here")
		case *ast.SelectorExpr:
			inspectSelector(n, name, say)
		}
		return true
	})
	return complaints
}

// inspectSelector looks at one qualified name, such as time.Now.
func inspectSelector(n *ast.SelectorExpr, room string, say func(ast.Node, string, string)) {
	pkg, ok := n.X.(*ast.Ident)
	if !ok {
		return
	}
	switch whole := pkg.Name + "." + n.Sel.Name; whole {
	case "time.Now", "time.Since", "time.Until", "time.After", "time.Sleep", "time.NewTimer", "time.NewTicker",
		"time.Tick", "time.AfterFunc":
		say(n, "clock", whole)
	case "sync.Mutex", "sync.RWMutex":
		say(n, "lock", whole)
	case "cpni.Reveal":
		say(n, "reveal", whole)
	case "policy.Received":
		say(n, "receive", whole)
	case "slog.Info", "slog.Warn", "slog.Error", "slog.Debug", "slog.New", "slog.Default", "slog.Log",
		"fmt.Print", "fmt.Println", "fmt.Printf", "log.Print", "log.Printf", "log.Println", "log.Fatal":
		say(n, "slog", whole)
	}
}

// mayImport returns why the file rel of a room may not import to, "" if it may.
func mayImport(name, rel, to string) string {
	if door, ok := entrances[to]; ok && rel != door {
		return "enters in " + door + " only"
	}
	if own, ok := strings.CutPrefix(to, "sipsieve/"); ok {
		switch why := house[name].bans[own]; {
		case why != "":
			return "banned from " + name + ": " + why
		case !reaches(name, own):
			return "not allowed for " + name
		}
		return ""
	}
	if !strings.Contains(strings.SplitN(to, "/", 2)[0], ".") {
		return ""
	}
	for _, other := range house[name].others {
		if other == "*" || to == other || strings.HasPrefix(to, other+"/") {
			return ""
		}
	}
	return "this module does not enter in " + name
}

// reaches reports whether from may import to, directly or because something it may import may.
func reaches(from, to string) bool {
	for _, next := range house[from].imports {
		if next == "*" || next == to || reaches(next, to) {
			return true
		}
	}
	return false
}
