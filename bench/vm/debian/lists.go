package debian

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"zombench/bench/vm"
	"zombench/results"
)

// maxAge is how old a package list may be before it is fetched anew.
const maxAge = 24 * time.Hour

// List returns the kernels that suites offer for archs (Debian's names),
// oldest first within an architecture. Lists younger than a day are not
// fetched again unless refresh is set. A list that cannot be had is told in
// warnings; it is an error only if there is none at all.
func (r *Repo) List(ctx context.Context, suites, archs []string, refresh bool) (offers []Offer, warnings []string, err error) {
	var pairs []pair
	for _, s := range suites {
		for _, a := range archs {
			pairs = append(pairs, pair{s, a})
		}
	}
	if refresh || !r.fresh(pairs) {
		// apt need not build its cache of the lists: they are read here.
		_, complaints, err := r.apt(ctx, "", pairs, "apt-get", "-q", "-o", "pkgCacheFile::Generate=false", "update")
		if ctx.Err() != nil {
			return nil, nil, err
		}
		warnings = complaints
		if err == nil && len(complaints) == 0 {
			if err := r.stamp(pairs); err != nil {
				return nil, nil, err
			}
		}
	}
	have, err := r.indexes(ctx, pairs)
	if err != nil {
		return nil, warnings, err
	}
	if len(have) == 0 {
		return nil, warnings, fmt.Errorf("no package list of %s for %s could be had: %s",
			strings.Join(suites, ", "), strings.Join(archs, ", "), strings.Join(warnings, "; "))
	}
	byName := make(map[string]*Offer)
	for _, ix := range have {
		if err := r.readIndex(ctx, ix, byName); err != nil {
			return nil, warnings, err
		}
	}
	for _, o := range byName {
		offers = append(offers, *o)
	}
	slices.SortFunc(offers, func(a, b Offer) int {
		return cmp.Or(strings.Compare(a.Arch, b.Arch), results.CompareReleases(a.Release, b.Release), strings.Compare(a.Name, b.Name))
	})
	return offers, warnings, nil
}

// An index is the package list of one suite and architecture.
type index struct {
	pair
	file string
}

// indexes returns the lists that are here.
func (r *Repo) indexes(ctx context.Context, pairs []pair) ([]index, error) {
	// With lists apt would first build a cache of them, which takes it 12 s; it
	// knows their names without. Release info would need that cache, too.
	out, complaints, err := r.apt(ctx, "", pairs, "apt-get", "-o", "Dir::State::lists="+r.aptDir("none"),
		"indextargets", "--no-release-info", "--format", "$(ARCHITECTURE)\t$(RELEASE)\t$(FILENAME)", "Created-By: Packages")
	if err != nil {
		return nil, fmt.Errorf("apt-get indextargets: %w: %s", err, strings.Join(complaints, "; "))
	}
	var all []index
	for line := range strings.Lines(string(out)) {
		f := strings.SplitN(strings.TrimSpace(line), "\t", 3)
		if len(f) != 3 || !slices.Contains(pairs, pair{f[1], f[0]}) {
			continue
		}
		file := r.aptDir("lists", filepath.Base(f[2]))
		// As apt stores it; the name comes without that extension.
		for _, ext := range []string{"", ".xz", ".gz", ".lz4", ".zst", ".bz2", ".lzma"} {
			if _, err := os.Stat(file + ext); err == nil {
				all = append(all, index{pair{f[1], f[0]}, file + ext})
				break
			}
		}
	}
	return all, nil
}

// stampFile is touched when a pair's list has been brought up to date: apt
// gives its files the mirror's times.
func (r *Repo) stampFile(p pair) string {
	return r.aptDir("stamps", strings.ReplaceAll(p.suite, "/", "_")+"_"+p.arch)
}

func (r *Repo) stamp(pairs []pair) error {
	for _, p := range pairs {
		name := r.stampFile(p)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return fmt.Errorf("apt's private state: %w", err)
		}
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			return fmt.Errorf("apt's private state: %w", err)
		}
	}
	return nil
}

// fresh reports whether the lists of all pairs were fetched not long ago.
func (r *Repo) fresh(pairs []pair) bool {
	for _, p := range pairs {
		fi, err := os.Stat(r.stampFile(p))
		if err != nil || time.Since(fi.ModTime()) > maxAge {
			return false
		}
	}
	return true
}

// A summary is what a list says of packages that may hold a kernel.
type summary struct {
	Of       time.Time // the list's
	Packages []Offer
}

// readIndex adds the kernels of a list. Unpacking the whole takes a second, so the
// summary is kept until apt has another list.
func (r *Repo) readIndex(ctx context.Context, ix index, byName map[string]*Offer) error {
	info, err := os.Stat(ix.file)
	if err != nil {
		return fmt.Errorf("a package list: %w", err)
	}
	name := r.aptDir("kernels", filepath.Base(ix.file)+".json")
	var s summary
	kept, err := os.ReadFile(name)
	if err != nil || json.Unmarshal(kept, &s) != nil || !s.Of.Equal(info.ModTime()) {
		s.Of = info.ModTime()
		if s.Packages, err = unpack(ctx, ix.file); err != nil {
			return fmt.Errorf("reading %s: %w", ix.file, err)
		}
		if kept, err = json.Marshal(s); err != nil {
			return err
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, kept, 0o644)); err != nil {
			return fmt.Errorf("apt's private state: %w", err)
		}
	}
	for _, o := range s.Packages {
		add(o, ix.pair, byName)
	}
	return nil
}

// unpack returns the packages of a list that may hold a kernel.
func unpack(ctx context.Context, list string) ([]Offer, error) {
	// apt-helper unpacks whatever apt has stored the list as.
	cmd := exec.CommandContext(ctx, "/usr/lib/apt/apt-helper", "cat-file", list)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	packages, err := parseIndex(out)
	io.Copy(io.Discard, out)
	return packages, errors.Join(err, cmd.Wait())
}

// parseIndex reads those packages of a list whose names say that they may hold a
// kernel.
func parseIndex(r io.Reader) (packages []Offer, err error) {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), 1<<20) // some lines are long
	var o *Offer                           // nil: of another package
	for sc.Scan() {
		key, value, _ := bytes.Cut(sc.Bytes(), []byte(": "))
		switch {
		case string(key) == "Package":
			o = nil
			if bytes.HasPrefix(value, []byte("linux-image-")) || bytes.HasPrefix(value, []byte("linux-binary-")) {
				packages = append(packages, Offer{Kernel: vm.Kernel{Package: string(value)}})
				o = &packages[len(packages)-1]
			}
		case o == nil:
		case string(key) == "Version":
			o.Version = string(value)
		case string(key) == "Size":
			if o.Size, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return nil, fmt.Errorf("the size of %s: %w", o.Package, err)
			}
		case string(key) == "SHA256":
			o.PackageSHA256 = string(value)
		}
	}
	return packages, sc.Err()
}
