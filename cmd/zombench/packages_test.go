package main

import (
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// testOnly are packages that only tests import.
var testOnly = regexp.MustCompile(`(test|labtest/machine|labtest/guests|torture)$`)

// Every package that others import shows by an example, which runs, what it is for.
func TestPackagesHaveExamples(t *testing.T) {
	files := token.NewFileSet()
	comments, examples := map[string]string{}, map[string]bool{}
	for _, top := range []string{"bench", "measure", "results"} {
		sub, err := fs.Sub(source, top)
		if err != nil {
			t.Fatal(err)
		}
		err = eachFile(sub, ".go", func(name, text string) error {
			f, err := parser.ParseFile(files, name, text, parser.ParseComments)
			if err != nil {
				return err
			}
			dir := filepath.Join(top, filepath.Dir(name))
			if f.Name.Name == "main" || testOnly.MatchString(dir) {
				return nil
			}
			comments[dir] += ""
			if !strings.HasSuffix(name, "_test.go") {
				comments[dir] += f.Doc.Text()
				return nil
			}
			for _, e := range doc.Examples(f) {
				examples[dir] = examples[dir] || e.Output != "" || e.EmptyOutput
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(comments) < 30 {
		t.Errorf("only %d packages are found", len(comments))
	}
	for dir, comment := range comments {
		if !strings.HasPrefix(comment, "Package "+filepath.Base(dir)+" ") {
			t.Errorf("%s has no package comment", dir)
		}
		if !examples[dir] {
			t.Errorf("%s has no example that runs", dir)
		}
	}
}
