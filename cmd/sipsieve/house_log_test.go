package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// logCalls are the methods of a slog.Logger that take keys, and how many arguments stand before them.
var logCalls = map[string]int{
	"Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "With": 0,
	"DebugContext": 2, "InfoContext": 2, "WarnContext": 2, "ErrorContext": 2, "Log": 3, "LogAttrs": 3,
}

// TestHouseLogKeysStandInOneList compares the keys of all log lines with the table of the README.
func TestHouseLogKeysStandInOneList(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n| key | what it is |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| .").FindAllStringSubmatch(table, -1) {
		listed[m[1]] = true
	}
	used, complaints := logKeys(t, "../..")
	for _, c := range complaints {
		t.Error(c)
	}
	for _, key := range slices.Sorted(maps.Keys(used)) {
		if !listed[key] {
			t.Errorf("%s: key %s is not in the README's table of log lines", used[key], key)
		}
	}
	for key := range listed {
		if used[key] == "" {
			t.Errorf("the README's table of log lines has key %s, which no line has", key)
		}
	}
}

func TestPlantedLogKeysAreSeen(t *testing.T) {
	const head = "package p\nfunc f(log *slog.Logger, key string) {\n"
	for text, want := range map[string]string{
		"log.Info(\"m\", \"planted\", 1)":                                    "planted",
		"log.With(\"planted\", 1).Warn(\"m\")":                               "planted",
		"d.Log.Error(\"m\", slog.Int(\"planted\", 1))":                       "planted",
		"log.InfoContext(ctx, \"m\", \"err\", 1, \"planted\", 1)":            "planted",
		"line := []any{\"planted\", 1}\nlog.Debug(\"m\", line...)":           "planted",
		"log.Info(\"m\", key, 1)":                                            "",
		"log.Info(\"m\", args()...)":                                         "",
		"var other *slog.Logger":                                             "",
		"}\ntype s struct { logger *slog.Logger }\nfunc g() {":               "",
		"log.LogAttrs(ctx, slog.LevelInfo, \"m\", slog.Any(\"planted\", x))": "planted",
	} {
		top := t.TempDir()
		if err := os.WriteFile(filepath.Join(top, "p.go"), []byte(head+text+"\n}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		used, complaints := logKeys(t, top)
		if want != "" && used[want] == "" || (want == "") != (len(complaints) == 1) {
			t.Errorf("%s: keys = %v, complaints = %v, want %q or a complaint", text, used, complaints, want)
		}
	}
}

// logKeys returns the keys of the log lines of the Go files under top, each with a place, tests left out. It complains of
// keys that are not written out, and of a slog.Logger under another name than log or Log, whose lines it would miss.
func logKeys(t *testing.T, top string) (used map[string]string, complaints []string) {
	t.Helper()
	used = map[string]string{}
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "testdata":
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		s := logLines{used, func(n ast.Node) string { return fset.Position(n.Pos()).String() }, map[string][]ast.Expr{}, nil}
		ast.Inspect(file, s.see)
		complaints = append(complaints, s.complaints...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return used, complaints
}

// logLines are the keys of the log lines of a file.
type logLines struct {
	used       map[string]string
	place      func(ast.Node) string
	lists      map[string][]ast.Expr // elements of the []any that was assigned to a name last
	complaints []string
}

func (s *logLines) complain(n ast.Node, format string, args ...any) {
	s.complaints = append(s.complaints, s.place(n)+": "+fmt.Sprintf(format, args...))
}

// see looks at one node of a file.
func (s *logLines) see(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.Field:
		s.seeNames(n.Type, n.Names)
	case *ast.ValueSpec:
		s.seeNames(n.Type, n.Names)
	case *ast.AssignStmt:
		for i, from := range n.Rhs {
			list, ok := from.(*ast.CompositeLit)
			if to, named := n.Lhs[i].(*ast.Ident); ok && named {
				s.lists[to.Name] = list.Elts
			}
		}
	case *ast.CallExpr:
		if to, ok := n.Fun.(*ast.SelectorExpr); ok && isLogger(to.X) {
			if before, takes := logCalls[to.Sel.Name]; takes && len(n.Args) >= before {
				s.seeKeys(n, n.Args[before:])
			}
		}
	}
	return true
}

// seeNames complains of a logger that is not named as such.
func (s *logLines) seeNames(typ ast.Expr, names []*ast.Ident) {
	star, ok := typ.(*ast.StarExpr)
	if !ok || nameOf(star.X) != "slog.Logger" {
		return
	}
	for _, name := range names {
		if !strings.EqualFold(name.Name, "log") {
			s.complain(name, "a logger named %s, want log", name.Name)
		}
	}
}

// isLogger reports whether x is a logger: slog, log, anything's Log or log, or a call of one's With.
func isLogger(x ast.Expr) bool {
	if call, ok := x.(*ast.CallExpr); ok {
		to, ok := call.Fun.(*ast.SelectorExpr)
		return ok && to.Sel.Name == "With" && isLogger(to.X)
	}
	if to, ok := x.(*ast.SelectorExpr); ok {
		return strings.EqualFold(to.Sel.Name, "log")
	}
	name := nameOf(x)
	return strings.EqualFold(name, "log") || name == "slog"
}

// nameOf returns a name, or a name of a package's.
func nameOf(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return nameOf(x.X) + "." + x.Sel.Name
	}
	return ""
}

// seeKeys reads the keys of a line: text and value in turn, attributes of slog, or a list that was written out before.
func (s *logLines) seeKeys(call *ast.CallExpr, args []ast.Expr) {
	if call.Ellipsis.IsValid() && len(args) == 1 {
		list, known := s.lists[nameOf(args[0])]
		if !known {
			s.complain(call, "a list of keys that is not written out")
		}
		args = list
	}
	for i := 0; i < len(args); i++ {
		key := args[i]
		if attr, ok := key.(*ast.CallExpr); ok && strings.HasPrefix(nameOf(attr.Fun), "slog.") && len(attr.Args) > 0 {
			key = attr.Args[0]
		} else {
			i++ // its value
		}
		text, ok := key.(*ast.BasicLit)
		if !ok {
			s.complain(call, "a key that is not written out")
			continue
		}
		name, _ := strconv.Unquote(text.Value)
		s.used[name] = s.place(call)
	}
}
