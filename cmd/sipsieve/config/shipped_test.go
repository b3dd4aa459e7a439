package config

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sipsieve/store/policy/locate"
	"sipsieve/store/vault"
)

var update = flag.Bool("update", false, "write the files that are generated from the code")

const shippedConfig = "../../../configs/sipsieve.toml"

// TestShippedConfigurationIsTheDefaults compares the shipped file with the code, and reads it.
func TestShippedConfigurationIsTheDefaults(t *testing.T) {
	want := shipped(t)
	if *update {
		if err := os.WriteFile(shippedConfig, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(shippedConfig)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the code says (%v): go test ./cmd/sipsieve/config -run Shipped -update", shippedConfig, err)
	}
	c, err := Load(shippedConfig)
	if err != nil {
		t.Fatal(err)
	}
	c.File, c.at = "", locate.Locator{}
	if plain := example(); !reflect.DeepEqual(c, plain) {
		t.Errorf("config = %+v, want %+v", c, plain)
	}
}

// example is the defaults, and the least that an operator has to set.
func example() Config {
	c := Default()
	c.Keys.File = "/etc/sipsieve/keys.toml"
	c.Source = []Source{{Type: "interface", Interface: "eth0"}}
	c.Bus, c.Store = &Bus{Disk: "1GiB"}, &Store{Type: "sqlite"}
	return c
}

// shipped returns the configuration file: every key with its line of comment, those without a value commented out.
func shipped(t *testing.T) string {
	t.Helper()
	w := &tomlWriter{about: comments(t)}
	w.b.WriteString("# The configuration of sipsieve: every key, with its default. Made from the code; a test compares.\n" +
		"# What is wrong with a file of yours: sipsieve check --config FILE\n\n")
	c := example()
	w.table("", reflect.ValueOf(c))
	return w.b.String()
}

// comments returns the comment of each field of the structs that make a configuration.
func comments(t *testing.T) map[string]string {
	t.Helper()
	about := map[string]string{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if fields, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range fields.Fields.List {
					for _, name := range f.Names {
						about[spec.Name.Name+"."+name.Name] = strings.TrimSpace(f.Comment.Text())
					}
				}
			}
			return true
		})
	}
	return about
}

type tomlWriter struct {
	b     strings.Builder
	about map[string]string
}

// table writes the keys of v, and then the tables in it.
func (w *tomlWriter) table(prefix string, v reflect.Value) {
	var tables []int
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := f.Tag.Get("toml")
		if key == "" || key == "-" {
			continue
		}
		kind := f.Type.Kind()
		if kind == reflect.Struct || kind == reflect.Pointer || kind == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct {
			tables = append(tables, i)
			continue
		}
		if about := w.about[v.Type().Name()+"."+f.Name]; about != "" {
			fmt.Fprintf(&w.b, "# %s\n", about)
		}
		w.key(key, v.Field(i))
	}
	for _, i := range tables {
		w.subtable(prefix, v.Type().Field(i).Tag.Get("toml"), v.Field(i))
	}
}

func (w *tomlWriter) subtable(prefix, key string, v reflect.Value) {
	name := prefix + key
	switch v.Kind() {
	case reflect.Slice:
		if v.Len() == 0 {
			fmt.Fprintf(&w.b, "\n#[[%s]]\n", name)
			w.table(name+".", reflect.Zero(v.Type().Elem()))
		}
		for i := range v.Len() {
			fmt.Fprintf(&w.b, "\n[[%s]]\n", name)
			w.table(name+".", v.Index(i))
		}
	case reflect.Pointer:
		if v.IsNil() {
			fmt.Fprintf(&w.b, "\n#[%s]\n", name)
			w.table(name+".", reflect.Zero(v.Type().Elem()))
			return
		}
		fmt.Fprintf(&w.b, "\n[%s]\n", name)
		w.table(name+".", v.Elem())
	default:
		fmt.Fprintf(&w.b, "\n[%s]\n", name)
		w.table(name+".", v)
	}
}

func (w *tomlWriter) key(key string, v reflect.Value) {
	if v.IsZero() {
		w.b.WriteString("#")
	}
	switch v.Kind() {
	case reflect.Slice:
		w.b.WriteString(key + " = [")
		for i := range v.Len() {
			if i > 0 {
				w.b.WriteString(", ")
			}
			fmt.Fprintf(&w.b, "%q", v.Index(i).String())
		}
		w.b.WriteString("]\n")
	case reflect.String:
		fmt.Fprintf(&w.b, "%s = %q\n", key, v.String())
	default:
		fmt.Fprintf(&w.b, "%s = %v\n", key, v.Interface())
	}
}

// TestTheUnitsCredentialComesBeforeTheFile passes keys as systemd does.
func TestTheUnitsCredentialComesBeforeTheFile(t *testing.T) {
	dir := t.TempDir()
	file, passed := filepath.Join(dir, "keys.toml"), filepath.Join(dir, credential)
	for _, path := range []string{file, passed} {
		if err := vault.Create(path); err != nil {
			t.Fatal(err)
		}
	}
	root := func(k Keys) [16]byte {
		keys, err := k.load()
		if err != nil {
			t.Fatal(err)
		}
		return keys.TrackRoot()
	}
	own := root(Keys{File: file})
	if err := os.Chmod(passed, 0o440); err != nil { // systemd gives modes of its own
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if got := root(Keys{File: file}); got == own || got != root(Keys{}) {
		t.Error("the file's keys, want the credential's")
	}
	t.Setenv("CREDENTIALS_DIRECTORY", t.TempDir())
	if got := root(Keys{File: file}); got != own {
		t.Error("want the file's keys where no credential is passed")
	}
	if _, err := (&Keys{}).load(); err == nil {
		t.Error("no keys, and no error")
	}
}
