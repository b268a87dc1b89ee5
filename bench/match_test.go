package bench

import (
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	const small, big, control = "Zombies/count=500/parallel=1/spawn=exec", "Zombies/count=1000/parallel=50/spawn=exec", "Control/parallel=50/spawn=exec"
	for _, tt := range []struct {
		pattern string
		want    []string
	}{
		{"", []string{small, big, control}},
		{"Zombies/count=1000", []string{big}},
		{"/500$/parallel=(1|2)$", []string{small}},
		{"Zombies/count=500/parallel=[1/]$", []string{small}},
		{"Zombies/(count=500/|count=1000)", []string{big}}, // a slash in a group is none between elements
		{"Control", []string{control}},
		{"o", []string{small, big, control}}, // an element need only hold what matches
		{"Zombies/./././.", nil},             // more elements than the name has
		{"/parallel", []string{control}},     // each element is matched in its place
	} {
		m, err := parseMatcher(tt.pattern)
		if err != nil {
			t.Errorf("%q: %v", tt.pattern, err)
			continue
		}
		var got []string
		for _, name := range []string{small, big, control} {
			if m.matches(name) {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != strings.Join(tt.want, " ") {
			t.Errorf("%q matches %q, want %q", tt.pattern, got, tt.want)
		}
	}
}

func TestMatchRefuses(t *testing.T) {
	for _, bad := range []string{"(", "Zombies/[", "a/*"} {
		if _, err := parseMatcher(bad); err == nil || !strings.Contains(err.Error(), "is not a valid regular expression") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %v", bad, err)
		}
	}
}

func FuzzSplitPattern(f *testing.F) {
	for _, s := range []string{"", "/", "a/b", "[/]", "(a/b)/c", `\/`, `[\]/]`, "(", ")", "["} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		if got := strings.Join(splitPattern(pattern), "/"); got != pattern {
			t.Errorf("the parts of %q join to %q", pattern, got)
		}
	})
}
