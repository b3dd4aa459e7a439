package main

import (
	"bytes"
	"path/filepath"
	"testing"
)

// TestShippedPolicyMakesTheExpectedExcerpts runs the tests of the shipped policy. After a change of the policy they are
// written again with sipsieve policy test --update configs/tests/*.txtar, and reviewed.
func TestShippedPolicyMakesTheExpectedExcerpts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../configs/tests/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("files = %d, err = %v", len(files), err)
	}
	var stdout, stderr bytes.Buffer
	if code := execute(t.Context(), append([]string{"policy", "test"}, files...), &stdout, &stderr); code != 0 {
		t.Errorf("exit code = %d:\n%s%s", code, stdout.String(), stderr.String())
	}
}
