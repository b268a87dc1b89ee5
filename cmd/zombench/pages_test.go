package main

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

// source is the root of the source.
var source = os.DirFS("../..")

var (
	linkShape    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headingShape = regexp.MustCompile(`(?m)^#+ (.+)$`)
	codeShape    = regexp.MustCompile("(?s)```.*?```")
	anchorShape  = regexp.MustCompile(`[^\pL\pN_ -]`)
)

// anchors are what the headings of a page can be linked by.
func anchors(text string) map[string]bool {
	found := map[string]bool{"": true}
	for _, m := range headingShape.FindAllStringSubmatch(codeShape.ReplaceAllString(text, ""), -1) {
		name := anchorShape.ReplaceAllString(strings.ToLower(m[1]), "")
		found[strings.ReplaceAll(name, " ", "-")] = true
	}
	return found
}

// deadLinks finds the links in the pages of a source that lead nowhere in it, and
// how many there are in all. Other sites are not asked.
func deadLinks(root fs.FS) (dead []string, links int, err error) {
	err = eachFile(root, ".md", func(page, text string) error {
		for _, m := range linkShape.FindAllStringSubmatch(codeShape.ReplaceAllString(text, ""), -1) {
			links++
			u, err := url.Parse(m[1])
			if err != nil {
				return err
			}
			if u.Scheme != "" {
				continue
			}
			target, there := page, text
			if u.Path != "" {
				target = filepath.Join(filepath.Dir(page), u.Path)
				info, err := fs.Stat(root, target)
				if err != nil {
					dead = append(dead, page+": "+m[1])
					continue
				}
				there = ""
				if data, err := fs.ReadFile(root, target); !info.IsDir() && err == nil {
					there = string(data)
				}
			}
			if !anchors(there)[u.Fragment] {
				dead = append(dead, fmt.Sprintf("%s: no heading %s in %s", page, u.Fragment, target))
			}
		}
		return nil
	})
	return dead, links, err
}

// eachFile calls do for every file with a suffix, but for those that were built or
// measured here.
func eachFile(root fs.FS, suffix string, do func(name, text string) error) error {
	return fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == ".git" || name == "bin" || name == "results/local"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, suffix):
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		return do(name, string(text))
	})
}

func TestLinks(t *testing.T) {
	dead, links, err := deadLinks(source)
	if err != nil || links < 20 {
		t.Errorf("%d links, error %v", links, err)
	}
	for _, d := range dead {
		t.Error(d)
	}
}

// The control: what leads nowhere is found.
func TestLinksCanFail(t *testing.T) {
	dead, links, err := deadLinks(fstest.MapFS{
		"a.md":     {Data: []byte("# One Kind, `code`\n[x](#one-kind-code) [x](sub/b.md#two) [x](sub) [x](https://example.org/y)\n```\n# [x](no.md)\n```\n")},
		"sub/b.md": {Data: []byte("## Two\n[x](b.md#three) [x](../c.md) [x](../a.md)\n")},
	})
	if err != nil || links != 7 || len(dead) != 2 {
		t.Errorf("dead links %q of %d, error %v", dead, links, err)
	}
}

// goBlocks finds the blocks of Go in a page, less the indentation of each, and without
// the lines that name a function: a page may name it as its reader will.
func goBlocks(page string) (blocks []string) {
	for _, m := range goBlock.FindAllStringSubmatch(page, -1) {
		text := strings.ReplaceAll("\n"+m[2], "\n"+m[1], "\n")
		blocks = append(blocks, strings.TrimSpace(funcLine.ReplaceAllString(text, "")))
	}
	return blocks
}

var (
	goBlock  = regexp.MustCompile("(?ms)^( *)```go\n(.*?)^ *```")
	funcLine = regexp.MustCompile(`(?m)^func .*\n`)
)

// uncompiled returns the blocks of Go in the pages of a source that are not in one of
// its Go files.
func uncompiled(source fs.FS) (missing []string, blocks int, err error) {
	var code strings.Builder
	if err := eachFile(source, ".go", func(_, text string) error {
		code.WriteString(funcLine.ReplaceAllString(text, ""))
		return nil
	}); err != nil {
		return nil, 0, err
	}
	all := code.String()
	err = eachFile(source, ".md", func(page, text string) error {
		for _, block := range goBlocks(text) {
			blocks++
			if !strings.Contains(all, block) {
				missing = append(missing, page+": "+block)
			}
		}
		return nil
	})
	return missing, blocks, err
}

// What pages show of Go is compiled, and run by a test.
func TestGoBlocks(t *testing.T) {
	missing, blocks, err := uncompiled(source)
	if err != nil || blocks < 2 {
		t.Errorf("%d blocks, error %v", blocks, err)
	}
	for _, m := range missing {
		t.Errorf("no Go file has this block of %s", m)
	}
}

// The control: a block that no file has is found.
func TestGoBlocksCanFail(t *testing.T) {
	missing, blocks, err := uncompiled(fstest.MapFS{
		"a.md":   {Data: []byte("1. text\n\n   ```go\n   func A() {\n   \treturn\n   }\n   ```\n\n```go\nfunc B() {\n\tpanic(1)\n}\n```\n")},
		"a/a.go": {Data: []byte("package a\n\nfunc other() {\n\treturn\n}\n")},
	})
	if err != nil || blocks != 2 || len(missing) != 1 || !strings.Contains(missing[0], "panic(1)") {
		t.Errorf("missing %q of %d, error %v", missing, blocks, err)
	}
}
