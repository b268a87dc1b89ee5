package debian

import (
	"bufio"
	"bytes"
	"context"
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
		if c := strings.Compare(a.Arch, b.Arch); c != 0 {
			return c
		}
		if c := CompareVersions(a.Release, b.Release); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
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

// readIndex adds the kernels of a list.
func (r *Repo) readIndex(ctx context.Context, ix index, byName map[string]*Offer) error {
	f, err := r.openKernels(ctx, ix.file)
	if err == nil {
		err = errors.Join(parseIndex(f, ix.pair, byName), f.Close())
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", ix.file, err)
	}
	return nil
}

// openKernels opens the part of a list that is about kernels. Unpacking the
// whole takes a second, so that part is kept, under the time of the list, until
// apt has another list.
func (r *Repo) openKernels(ctx context.Context, list string) (*os.File, error) {
	of, err := os.Stat(list)
	if err != nil {
		return nil, err
	}
	name := r.aptDir("kernels", filepath.Base(list)+".kernels")
	if kept, err := os.Stat(name); err == nil && kept.ModTime().Equal(of.ModTime()) {
		return os.Open(name)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), "new-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(tmp.Name()) // of no effect once it is renamed
	err = errors.Join(unpackKernels(ctx, tmp, list), tmp.Close())
	if err == nil {
		err = os.Chtimes(tmp.Name(), time.Time{}, of.ModTime())
	}
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		return nil, err
	}
	return os.Open(name)
}

// unpackKernels writes the part of a list that is about kernels.
func unpackKernels(ctx context.Context, w io.Writer, list string) error {
	// apt-helper unpacks whatever apt has stored the list as.
	cmd := exec.CommandContext(ctx, "/usr/lib/apt/apt-helper", "cat-file", list)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	filterErr := filterKernels(w, out)
	io.Copy(io.Discard, out)
	return errors.Join(filterErr, cmd.Wait())
}

// filterKernels copies the stanzas that begin with the name of a package that
// may hold a kernel.
func filterKernels(w io.Writer, r io.Reader) error {
	out := bufio.NewWriter(w)
	keep := false
	sc := newScanner(r)
	for sc.Scan() {
		line := sc.Bytes()
		if name, ok := bytes.CutPrefix(line, []byte("Package: ")); ok {
			keep = bytes.HasPrefix(name, []byte("linux-image-")) || bytes.HasPrefix(name, []byte("linux-binary-"))
		}
		if keep {
			out.Write(line)
			out.WriteByte('\n')
		}
	}
	return errors.Join(sc.Err(), out.Flush())
}

// newScanner scans a list by lines, of which some are long.
func newScanner(r io.Reader) *bufio.Scanner {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), 1<<20)
	return sc
}

// parseIndex adds the kernels of a list to those of others.
func parseIndex(r io.Reader, p pair, byName map[string]*Offer) error {
	var o Offer
	sc := newScanner(r)
	for sc.Scan() {
		line := sc.Text()
		if line == "" {
			add(o, p, byName)
			o = Offer{}
			continue
		}
		key, value, ok := strings.Cut(line, ": ")
		if !ok {
			continue
		}
		switch key {
		case "Package":
			o.Package = value
		case "Version":
			o.Version = value
		case "Size":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return fmt.Errorf("the size of %s: %w", o.Package, err)
			}
			o.Size = n
		case "SHA256":
			o.SHA256 = value
		}
	}
	add(o, p, byName)
	return sc.Err()
}
