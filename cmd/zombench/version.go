package main

import (
	"fmt"
	"runtime/debug"
	"strings"
)

// version is what this program was built from: the module's version, which
// without a tag is made of the commit's time and revision; the revision, if that
// does not have it; and whether the tree had changes, which go build adds as
// +dirty.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "of unknown revision"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "(unreleased)"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && !strings.Contains(v, s.Value[:min(12, len(s.Value))]) {
			v += fmt.Sprintf(" revision %.12s", s.Value)
		}
	}
	return v
}
