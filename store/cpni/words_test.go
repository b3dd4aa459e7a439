package cpni

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNoExtractorMakesAWordOfText reads the extractors: what makes a closed value, or a country, is never given text that
// was converted from a message, nor a fact. Get would drop it; this finds it before.
func TestNoExtractorMakesAWordOfText(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	makers, calls := []string{"word", "list", "country", "ours"}, 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !slices.Contains(makers, called(call)) {
				return true
			}
			calls++
			for _, arg := range call.Args {
				ast.Inspect(arg, func(n ast.Node) bool {
					if inner, ok := n.(*ast.CallExpr); ok && slices.Contains([]string{"string", "first", "Sprint", "Sprintf"}, called(inner)) &&
						!looksUp(arg) {
						t.Errorf("%s: %s of text of a message", fset.Position(n.Pos()), called(call))
					}
					return true
				})
			}
			return true
		})
	}
	if calls < 20 {
		t.Errorf("calls = %d: the test shows nothing", calls)
	}
}

// called returns the name of what is called.
func called(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// looksUp reports whether arg is the answer of a closed list to text: closed, or a word of the telephone numbers' tables.
func looksUp(arg ast.Expr) bool {
	c, ok := arg.(*ast.CallExpr)
	return ok && slices.Contains([]string{"closed", "CallType", "Country"}, called(c))
}
