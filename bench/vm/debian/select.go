package debian

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Select returns the offers that patterns name, in their order and none twice:
// a kernel's name, a shell pattern over names ("arm64-7.2*"), or of an
// architecture's plain kernels the newest, the oldest or the newest of a
// series ("amd64-newest", "amd64-oldest", "amd64-6.12", "amd64-6.12.107"). A pattern that names
// none is an error.
func Select(offers []Offer, patterns []string) ([]Offer, error) {
	var chosen []Offer
	for _, p := range patterns {
		found, err := match(offers, p)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("no kernel %q is offered", p)
		}
		for _, o := range found {
			if !slices.ContainsFunc(chosen, func(c Offer) bool { return c.Name == o.Name }) {
				chosen = append(chosen, o)
			}
		}
	}
	return chosen, nil
}

func match(offers []Offer, pattern string) ([]Offer, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fmt.Errorf("kernel %q: %w", pattern, err)
	}
	var found, series []Offer
	for _, o := range offers {
		if ok, _ := path.Match(pattern, o.Name); ok {
			found = append(found, o)
		}
		if which, ok := strings.CutPrefix(pattern, o.Arch+"-"); ok && o.Plain() &&
			(which == "newest" || which == "oldest" || inSeries(o.Release, which)) {
			series = append(series, o)
		}
	}
	switch {
	case len(found) > 0 || len(series) == 0:
		return found, nil
	case strings.HasSuffix(pattern, "-oldest"):
		return series[:1], nil
	default:
		return series[len(series)-1:], nil
	}
}

// inSeries reports whether a release begins with all the numbers of a version.
func inSeries(release, version string) bool {
	rest, ok := strings.CutPrefix(release, version)
	return ok && strings.ContainsAny(rest[:min(1, len(rest))], ".+-")
}
