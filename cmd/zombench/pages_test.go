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
