package main

import (
	"fmt"
	"runtime/debug"
)

// version is what this program was built from: the module's version if it has
// one, the revision, and whether the tree had changes.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "of unknown revision"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "(unreleased)"
	}
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if revision := settings["vcs.revision"]; revision != "" {
		v += fmt.Sprintf(" revision %.12s", revision)
		if settings["vcs.modified"] == "true" {
			v += " with changes"
		}
	}
	return v
}
