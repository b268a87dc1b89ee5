package bench

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A matcher is a pattern as of go test -bench: one expression for each
// slash-separated element of a benchmark name. Names with more elements than the
// pattern match if those that both have do.
type matcher []*regexp.Regexp

func parseMatcher(pattern string) (matcher, error) {
	var m matcher
	for _, element := range splitPattern(pattern) {
		re, err := regexp.Compile(element)
		if err != nil {
			return nil, fmt.Errorf("%q is not a valid regular expression: %w", pattern, err)
		}
		m = append(m, re)
	}
	return m, nil
}

func (m matcher) matches(name string) bool {
	elements := strings.Split(name, "/")
	if len(m) > len(elements) {
		return false
	}
	for i, re := range m {
		if !re.MatchString(elements[i]) {
			return false
		}
	}
	return true
}

// MayMatch reports whether a pattern may match benchmarks of an experiment,
// whatever its fields are set to: whether its first element does.
func MayMatch(e Experiment, pattern string) bool {
	m, err := parseMatcher(pattern)
	if err != nil {
		return true // whoever uses it says so
	}
	setups, err := e.Setups()
	return err == nil && slices.ContainsFunc(setups, func(s Setup) bool { return m[:1].matches(s.Bench) })
}

// splitPattern splits at the slashes that stand outside of classes and
// groups.
func splitPattern(pattern string) []string {
	var parts []string
	start, groups, class := 0, 0, false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case c == '(':
			groups++
		case c == ')':
			groups--
		case c == '/' && groups == 0:
			parts = append(parts, pattern[start:i])
			start = i + 1
		}
	}
	return append(parts, pattern[start:])
}
