package kernels

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"zombench/bench/vm"
	"zombench/bench/vm/debian"
	"zombench/results"
)

// DefaultKernels are the oldest kernel that Debian keeps, that of its stable
// release (13, trixie), the newest, and another architecture beside them.
func DefaultKernels() []string {
	return []string{"amd64-oldest", "amd64-6.12", "amd64-newest", "arm64-newest"}
}

// DefaultSuites are the Debian suites that hold 5.10, 6.1, 6.12 and the newest.
func DefaultSuites() []string { return []string{"bullseye", "bookworm", "trixie", "sid"} }

// CacheDir returns $XDG_CACHE_HOME/zombench, or what stands for it.
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache directory: %w", err)
	}
	return filepath.Join(dir, "zombench"), nil
}

// A Resolver finds kernels: files, kernels fetched before, and what Debian
// offers.
type Resolver struct {
	Dir     string       // where fetched kernels and apt's state are kept, such as CacheDir
	Suites  []string     // Debian's; none: the system's own and DefaultSuites
	Refresh bool         // fetch package lists again, even if they are of today
	Notice  func(string) // told what a user should know, one line each
}

// Find returns the kernels that patterns name, fetching what is not here; see
// Choose.
func (r *Resolver) Find(ctx context.Context, patterns []string) ([]vm.Kernel, error) {
	c, err := r.Choose(ctx, patterns)
	supply := newSupply(c.Kernels, c.Fetch)
	fetchErr := supply.bring(ctx, supply.wanted)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var found []vm.Kernel
	for _, k := range c.Kernels {
		if k.Path == "" {
			k = supply.here[k.Name]
		}
		if k.Path != "" {
			found = append(found, k)
		}
	}
	return found, errors.Join(err, fetchErr)
}

// A Choice is the kernels that patterns name.
type Choice struct {
	Kernels []vm.Kernel // those without a Path are not here yet
	repo    *debian.Repo
	offers  map[string]debian.Offer // by name, of those
	notice  func(string)
}

// Choose finds the kernels that patterns name, and fetches none. A pattern with a
// slash is the path of an image, any other one is as debian.Select takes it. What
// cannot be had is in the error and does not keep the others away; a malformed
// pattern is path.ErrBadPattern.
func (r *Resolver) Choose(ctx context.Context, patterns []string) (Choice, error) {
	cached, err := debian.Cached(r.Dir)
	if err != nil {
		return Choice{}, err
	}
	var found set
	var errs []error
	var wanted []string // of Debian
	for _, p := range patterns {
		if strings.ContainsRune(p, '/') {
			k, err := vm.Inspect(p)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			found.add(k)
			continue
		}
		// Whoever names suites, or wants fresh lists, wants what they have.
		if i := slices.IndexFunc(cached, func(k vm.Kernel) bool { return k.Name == p }); i >= 0 && len(r.Suites) == 0 && !r.Refresh {
			found.add(cached[i])
			continue
		}
		if _, err := archsOf(p); err != nil {
			errs = append(errs, err)
			continue
		}
		wanted = append(wanted, p)
	}
	c := Choice{offers: make(map[string]debian.Offer), notice: r.Notice}
	if len(wanted) > 0 {
		some, err := c.choose(ctx, r, cached, wanted)
		if ctx.Err() != nil {
			return Choice{}, context.Cause(ctx)
		}
		errs = append(errs, err)
		found.add(some...)
	}
	c.Kernels = found
	return c, errors.Join(errs...)
}

// Series finds the kernels from one to another of an architecture and a flavour, in
// the order of their releases, and fetches none. The ends are as in Choose, and not
// files.
func (r *Resolver) Series(ctx context.Context, old, new string) (Choice, error) {
	archs, err := archsOf(old, new)
	if err == nil && len(archs) != 1 {
		err = fmt.Errorf("%s and %s: a series is of one architecture", old, new)
	}
	if err != nil {
		return Choice{}, err
	}
	c, err := r.Choose(ctx, []string{old, new, archs[0] + "-*"})
	if err != nil {
		return Choice{}, err
	}
	slices.SortFunc(c.Kernels, func(a, b vm.Kernel) int { return results.CompareReleases(a.Release, b.Release) })
	ends, err := debian.Select(offersOf(c.Kernels), []string{old, new})
	switch {
	case err != nil:
		return Choice{}, err
	case len(ends) != 2:
		return Choice{}, fmt.Errorf("%s and %s: a series is from one kernel to one other", old, new)
	}
	first, last := ends[0].Release, ends[1].Release
	flavour := results.Flavour(first)
	switch {
	case results.Flavour(last) != flavour:
		return Choice{}, fmt.Errorf("%s and %s: a series is of one flavour", first, last)
	case results.CompareReleases(first, last) > 0:
		return Choice{}, fmt.Errorf("%s is not older than %s", first, last)
	}
	c.Kernels = slices.DeleteFunc(c.Kernels, func(k vm.Kernel) bool {
		return results.Flavour(k.Release) != flavour || results.CompareReleases(k.Release, first) < 0 || results.CompareReleases(k.Release, last) > 0
	})
	return c, nil
}

// choose returns the kernels of Debian that patterns name; without Debian's
// lists, those among the kernels fetched before.
func (c *Choice) choose(ctx context.Context, r *Resolver, cached []vm.Kernel, patterns []string) ([]vm.Kernel, error) {
	archs, err := archsOf(patterns...)
	if err != nil {
		return nil, err
	}
	repo, offers, err := r.offers(ctx, archs, cached)
	if err != nil && ctx.Err() == nil {
		r.Notice(fmt.Sprintf("only kernels fetched before can be used: %v", err))
		repo, offers = nil, offersOf(cached)
	}
	c.repo = repo
	var kernels []vm.Kernel
	var errs []error
	for _, p := range patterns {
		some, err := debian.Select(offers, []string{p})
		if err != nil {
			errs = append(errs, fmt.Errorf("%w; see zombench kernels list", err))
		}
		for _, o := range some {
			c.offers[o.Name] = o
			kernels = append(kernels, o.Kernel)
		}
	}
	return kernels, errors.Join(errs...)
}

// Fetch brings kernels of the choice here. What cannot be had is in the error and
// does not keep the others away.
func (c *Choice) Fetch(ctx context.Context, kernels []vm.Kernel) ([]vm.Kernel, error) {
	var offers []debian.Offer
	for _, k := range kernels {
		if o, ok := c.offers[k.Name]; ok && o.Path == "" {
			c.notice(fmt.Sprintf("fetching %s: %s %s, %.0f MB", o.Name, o.Package, o.Version, float64(o.Size)/1e6))
			offers = append(offers, o)
		}
	}
	if len(offers) == 0 {
		return nil, nil
	}
	return c.repo.Fetch(ctx, offers)
}

// offers lists what Debian has for architectures, by Debian's names, with the Path of
// what is cached of it.
func (r *Resolver) offers(ctx context.Context, archs []string, cached []vm.Kernel) (*debian.Repo, []debian.Offer, error) {
	repo, err := debian.Open(r.Dir)
	if err != nil {
		return nil, nil, err
	}
	suites := r.Suites
	if len(suites) == 0 {
		suites = repo.Suites()
		for _, suite := range DefaultSuites() {
			if !slices.Contains(suites, suite) {
				suites = append(suites, suite)
			}
		}
	}
	offers, warnings, err := repo.List(ctx, suites, archs, r.Refresh)
	for _, w := range warnings {
		r.Notice(w)
	}
	for i, o := range offers {
		if j := slices.IndexFunc(cached, func(k vm.Kernel) bool { return k.Name == o.Name && k.Version == o.Version }); j >= 0 {
			offers[i].Kernel = cached[j]
		}
	}
	return repo, offers, err
}

// List returns the kernels that patterns name, all if there are none: what
// Debian offers, or of that only what was fetched before. archs limits it to
// architectures, by Debian's names; nil means those of the patterns.
func (r *Resolver) List(ctx context.Context, archs, patterns []string, cachedOnly bool) ([]debian.Offer, error) {
	cached, err := debian.Cached(r.Dir)
	if err != nil {
		return nil, err
	}
	if archs == nil && len(patterns) > 0 {
		if archs, err = archsOf(patterns...); err != nil {
			return nil, err
		}
	}
	var offers []debian.Offer
	if cachedOnly {
		offers = slices.DeleteFunc(offersOf(cached), func(o debian.Offer) bool { return archs != nil && !slices.Contains(archs, o.Arch) })
	} else if _, offers, err = r.offers(ctx, archs, cached); err != nil {
		return nil, err
	}
	if len(patterns) == 0 {
		return offers, nil
	}
	return debian.Select(offers, patterns)
}

// A set of kernels has no image twice.
type set []vm.Kernel

func (s *set) add(kernels ...vm.Kernel) {
	for _, k := range kernels {
		if !slices.ContainsFunc(*s, func(have vm.Kernel) bool { return have.Name == k.Name && have.SHA256 == k.SHA256 }) {
			*s = append(*s, k)
		}
	}
}

// offersOf makes offers of kernels that are here, to select from.
func offersOf(cached []vm.Kernel) []debian.Offer {
	var offers []debian.Offer
	for _, k := range cached {
		if arch, err := vm.LookupArch(k.GOARCH); err == nil {
			offers = append(offers, debian.Offer{Kernel: k, Arch: arch.Debian})
		}
	}
	return offers
}

// Every returns the patterns of all kernels of architectures, by Debian's names; none
// means those whose QEMU is installed.
func Every(archs []string) []string {
	if len(archs) == 0 {
		for _, a := range vm.Archs() {
			if _, err := a.LookQEMU(); err == nil {
				archs = append(archs, a.Debian)
			}
		}
	}
	var patterns []string
	for _, a := range archs {
		patterns = append(patterns, a+"-*")
	}
	return patterns
}

// Patterns returns the patterns of the kernels that are asked for: those named, and of
// architectures, by Debian's names, all or the newest of each. By default they are
// DefaultKernels.
func Patterns(named, archs []string, all bool) []string {
	patterns := slices.Clone(named)
	if all {
		return append(patterns, Every(archs)...)
	}
	for _, a := range archs {
		patterns = append(patterns, a+"-newest")
	}
	if len(patterns) == 0 {
		return DefaultKernels()
	}
	return patterns
}

// A Shard is one of several parts of a list, which together are the list: part 1/3
// is the first of every three.
type Shard struct{ Part, Of int }

// ParseShard reads a text such as 1/3. For engines that count from 0, part 0 is the
// last.
func ParseShard(text string) (s Shard, err error) {
	part, of, _ := strings.Cut(text, "/")
	s.Part, err = strconv.Atoi(part)
	if err == nil {
		s.Of, err = strconv.Atoi(of)
	}
	if err != nil || s.Part < 0 || s.Of < 1 || s.Part > s.Of {
		return Shard{}, fmt.Errorf("%q is no part such as 1/3", text)
	}
	if s.Part == 0 {
		s.Part = s.Of
	}
	return s, nil
}

// Select returns the kernels of the part.
func (s Shard) Select(kernels []vm.Kernel) []vm.Kernel {
	var some []vm.Kernel
	for i := s.Part - 1; i < len(kernels); i += s.Of {
		some = append(some, kernels[i])
	}
	return some
}

// archsOf returns the architectures, by Debian's names, that patterns may be
// about.
func archsOf(patterns ...string) ([]string, error) {
	var archs []string
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return nil, fmt.Errorf("kernel %q: %w", p, err)
		}
		name, _, _ := strings.Cut(p, "-")
		known := false
		for _, a := range vm.Archs() {
			if ok, _ := path.Match(name, a.Debian); ok {
				archs = append(archs, a.Debian)
				known = true
			}
		}
		if !known {
			_, err := vm.LookupArch(name)
			return nil, fmt.Errorf("kernel %q: %w; a kernel's file is given by a path with a slash in it", p, err)
		}
	}
	slices.Sort(archs)
	return slices.Compact(archs), nil
}

// DebianArchs returns architectures by Debian's names, given these or Go's, or
// "all".
func DebianArchs(names []string) ([]string, error) {
	var archs []string
	for _, name := range names {
		if name == "all" {
			for _, a := range vm.Archs() {
				archs = append(archs, a.Debian)
			}
			continue
		}
		a, err := vm.LookupArch(name)
		if err != nil {
			return nil, err
		}
		archs = append(archs, a.Debian)
	}
	slices.Sort(archs)
	return slices.Compact(archs), nil
}
