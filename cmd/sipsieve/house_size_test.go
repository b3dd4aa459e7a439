package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A roomLimit is what a room may have at most, tests left out.
type roomLimit struct {
	lines int // of the package
	file  int // lines of a file
	away  int // percent of the methods that stand in another file than their type, see homeMarker
	bare  int // exported names without a comment
}

// standardLimit is the limit of a room that has none of its own.
var standardLimit = roomLimit{lines: 3500, file: 400, away: 10}

// roomLimits are those of single rooms.
var roomLimits = map[string]roomLimit{"sip/track": {lines: 3000, file: 400, away: 10}}

// A file whose first comment begins so, names types and gives the reason is a home of their methods as well:
//
//	// This file has methods of Decoder because a layer is a file: each reads its header and calls the next layer's.
const homeMarker = "This file has methods of "

func TestHouseSizesAreKept(t *testing.T) {
	sizes := measureRooms(t, "../..")
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		most := standardLimit
		if own, ok := roomLimits[name]; ok {
			most = own
		}
		for _, complaint := range sizes[name].over(most) {
			t.Errorf("%s: %s", name, complaint)
		}
	}
}

func TestPlantedSizesAreSeen(t *testing.T) {
	method := "package p\nfunc (T) m() {}\n"
	for fault, files := range map[string][2]string{
		"a long file":         {strings.Repeat("\n", 401) + "package p\n", ""},
		"a large package":     {"package p\n" + strings.Repeat("\n", 40), "package p\n" + strings.Repeat("\n", 40)},
		"a method away":       {"package p\ntype T struct{}\n", method},
		"a marker of another": {"package p\ntype T struct{}\n", "// " + homeMarker + "U because each layer has a file.\n\n" + method},
		"a marker for none":   {"// " + homeMarker + "T because each layer has a file.\n\npackage p\ntype T struct{}\n", ""},
		"no reason":           {"package p\ntype T struct{}\n", "// " + homeMarker + "T because so.\n\n" + method},
		"a bare function":     {"package p\nfunc F() {}\n", ""},
		"a bare method":       {"package p\n// T is.\ntype T struct{}\nfunc (T) M() {}\n", ""},
		"a bare type":         {"package p\ntype T struct{}\n", ""},
		"a bare value":        {"package p\nconst A, b = 1, 2\n", ""},
	} {
		if got := measurePlanted(t, files).over(roomLimit{lines: 60, file: 400}); len(got) == 0 {
			t.Errorf("%s: the planted fault was not seen", fault)
		}
	}
	good := [2]string{"package p\n\n// T is.\ntype T struct{ n int }\n\n// A is.\nconst A = 1\n",
		"// " + homeMarker + "T because each layer has a file.\n\n" + method}
	if got := measurePlanted(t, good).over(roomLimit{lines: 60, file: 400}); len(got) != 0 {
		t.Errorf("without a fault: %v", got)
	}
}

func measurePlanted(t *testing.T, files [2]string) *roomSize {
	t.Helper()
	top := t.TempDir()
	for i, src := range files {
		if src == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(top, fmt.Sprintf("%d.go", i)), []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return measureRooms(t, top)["."]
}

// A roomSize is what is measured of a package, tests left out.
type roomSize struct {
	lines   int
	homes   map[string]string // files by the type that they define
	methods map[home]int
	also    map[home]bool // homes by a marker
	bare    []string      // exported names without a comment
	faults  []string
	longest string // file
	most    int    // lines of it
}

// A home is a type and a file.
type home struct{ of, file string }

// over returns what of s is over most, and its faults.
func (s *roomSize) over(most roomLimit) []string {
	all := slices.Clone(s.faults)
	if s.lines > most.lines {
		all = append(all, fmt.Sprintf("%d lines, want %d at most", s.lines, most.lines))
	}
	if s.most > most.file {
		all = append(all, fmt.Sprintf("%s has %d lines, want %d at most", s.longest, s.most, most.file))
	}
	var away []string
	methods, n := 0, 0
	for h, count := range s.methods {
		methods += count
		if s.homes[h.of] != h.file && !s.also[h] {
			n += count
			away = append(away, fmt.Sprintf("%s in %s: %d", h.of, h.file, count))
		}
	}
	if 100*n > most.away*methods {
		slices.Sort(away)
		all = append(all, fmt.Sprintf("%d of %d methods are away from the file of their type, want %d %% at most: %s",
			n, methods, most.away, strings.Join(away, ", ")))
	}
	if len(s.bare) > most.bare {
		all = append(all, fmt.Sprintf("%d exported names have no comment, want %d at most: %v", len(s.bare), most.bare, s.bare))
	}
	for h := range s.also {
		if s.methods[h] == 0 {
			all = append(all, fmt.Sprintf("%s is marked as a home of %s, of which it has no method", h.file, h.of))
		}
	}
	return all
}

// measureRooms returns the sizes of the packages under top.
func measureRooms(t *testing.T, top string) map[string]*roomSize {
	t.Helper()
	sizes := map[string]*roomSize{}
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || len(d.Name()) > 2 && d.Name()[0] == '.' && path != top):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		rel, err := filepath.Rel(top, filepath.Dir(path))
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if sizes[name] == nil {
			sizes[name] = &roomSize{homes: map[string]string{}, methods: map[home]int{}, also: map[home]bool{}}
		}
		sizes[name].read(t, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sizes
}

func (s *roomSize) read(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	name, n := filepath.Base(path), bytes.Count(text, []byte("\n"))
	if s.lines += n; n > s.most {
		s.longest, s.most = name, n
	}
	s.readMarker(file, name)
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			s.readFunc(d, name)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				s.readSpec(spec, name, d.Doc != nil)
			}
		}
	}
}

// readMarker adds the types that the file's first comment names.
func (s *roomSize) readMarker(file *ast.File, name string) {
	if len(file.Comments) == 0 || file.Comments[0].Pos() > file.Package {
		return
	}
	rest, marked := strings.CutPrefix(file.Comments[0].Text(), homeMarker)
	if !marked {
		return
	}
	types, reason, _ := strings.Cut(rest, " because ")
	if len(strings.Fields(reason)) < 5 {
		s.faults = append(s.faults, name+": the marker gives no reason")
		return
	}
	for _, typ := range strings.Split(strings.ReplaceAll(types, " and ", ", "), ", ") {
		s.also[home{strings.TrimSpace(typ), name}] = true
	}
}

func (s *roomSize) readFunc(d *ast.FuncDecl, name string) {
	what := d.Name.Name
	if d.Recv != nil {
		typ := receiver(d.Recv.List[0].Type)
		s.methods[home{typ, name}]++
		what = typ + "." + what
	}
	if d.Name.IsExported() && d.Doc == nil {
		s.bare = append(s.bare, what)
	}
}

// receiver returns the name of a method's type.
func receiver(typ ast.Expr) string {
	switch typ := typ.(type) {
	case *ast.StarExpr:
		return receiver(typ.X)
	case *ast.IndexExpr:
		return receiver(typ.X)
	case *ast.IndexListExpr:
		return receiver(typ.X)
	case *ast.Ident:
		return typ.Name
	}
	return ""
}

// readSpec reads a type or a value; group is whether a comment stands before the whole declaration.
func (s *roomSize) readSpec(spec ast.Spec, name string, group bool) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		s.homes[spec.Name.Name] = name
		if spec.Name.IsExported() && spec.Doc == nil && !group {
			s.bare = append(s.bare, spec.Name.Name)
		}
	case *ast.ValueSpec:
		for _, n := range spec.Names {
			if n.IsExported() && spec.Doc == nil && spec.Comment == nil && !group {
				s.bare = append(s.bare, n.Name)
			}
		}
	}
}
