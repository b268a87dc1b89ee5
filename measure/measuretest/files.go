// Package measuretest lays out files that stand in for a kernel, in tests of
// package measure and of those that read through it.
package measuretest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Put writes files below dir; a text that begins with "-> " makes a link.
func Put(tb testing.TB, dir string, files map[string]string) {
	tb.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			tb.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// SkipUnlessRoot skips a test of what only root may do.
func SkipUnlessRoot(tb testing.TB) {
	tb.Helper()
	if os.Getuid() != 0 {
		tb.Skip("needs root")
	}
}
