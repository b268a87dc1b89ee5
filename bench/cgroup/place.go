package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"zombench/measure"
)

// Prefix begins the name of every cgroup that this package makes.
const Prefix = "zombench-"

// The controllers that a run wants to see.
const (
	pids   = "pids"
	memory = "memory"
)

// Place is where fresh cgroups can be made. It is not safe for concurrent use.
type Place struct {
	parents  []Parent
	noMemory error
	proc     string
	leaf     *os.File // the locked leaf, where there is one
}

// Parent is one cgroup under which fresh ones are made, with all that must be
// known to undo what was done to it. It is plain data, so that it can outlive
// the process in a journal.
type Parent struct {
	Dir         string   `json:"dir"`
	Version     int      `json:"version"`           // of the hierarchy: 1 or 2
	Controllers []string `json:"controllers"`       // "pids", "memory": which of them its children carry
	Enabled     []string `json:"enabled,omitempty"` // v2: those of them that we switched on in its cgroup.subtree_control
	Leaf        bool     `json:"leaf,omitempty"`    // v2: the process was moved from it into its child zombench-self
}

// Search says where a place is sought and who is told of it.
type Search struct {
	FS measure.FS
	// With are further processes of ours in this process's cgroup: they don't
	// count as strangers there, and move into the leaf with it.
	With []int
	// Record, if not nil, is called for each parent before it is altered (a leaf
	// made, a controller enabled) or used, so that all can be undone even after a
	// crash. Its error ends the search.
	Record func(Parent) error
}

// Find finds where this process may create cgroups; see Search.Find.
func Find(fs measure.FS) (*Place, error) { return Search{FS: fs}.Find() }

// Find finds where this process may create cgroups: under its own cgroup where
// that works. Version 2 suffers no processes in a cgroup whose children carry
// controllers. So a process that has its cgroup for itself moves into a leaf of
// it first, and one that shares it goes up to the nearest ancestor whose
// children carry pids (and memory, if any does) and where it may create more.
//
// The error wraps measure.ErrNotSupported if nothing here carries pids, and
// measure.ErrNotPermitted if this process may make no cgroup; both name the
// remedy. Without memory the place still serves; see NoMemory.
func (s Search) Find() (*Place, error) {
	m, err := s.FS.Cgroups(0)
	if err != nil {
		return nil, fmt.Errorf("finding the own cgroup: %w", err)
	}
	ph, err := m.Controller(pids)
	if err != nil {
		if errors.Is(err, measure.ErrNotSupported) {
			return nil, notSupported(fmt.Errorf("no mounted cgroup hierarchy carries the pids controller (%w); as root: mkdir -p /sys/fs/cgroup/pids && mount -t cgroup -o pids pids /sys/fs/cgroup/pids, or boot with systemd.unified_cgroup_hierarchy=1", err))
		}
		return nil, fmt.Errorf("finding the pids hierarchy: %w", err)
	}
	p := &Place{proc: s.FS.Proc}
	mh, err := m.Controller(memory)
	switch {
	case err != nil:
		p.noMemory = fmt.Errorf("finding the memory hierarchy: %w", err)
		err = s.add(p, ph, pids)
	case mh.Mount == ph.Mount && mh.Path == ph.Path:
		// One hierarchy for both: rather pids alone than nothing.
		err = s.add(p, ph, pids, memory)
		if err != nil {
			p.noMemory = err
			err = s.add(p, ph, pids)
		}
	default:
		if err = s.add(p, ph, pids); err == nil {
			p.noMemory = s.add(p, mh, memory)
		}
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// add finds the parent in one hierarchy, for all of the controllers or not at all.
func (s Search) add(p *Place, h measure.Hierarchy, controllers ...string) error {
	parent := Parent{Dir: h.Dir(), Version: h.Version, Controllers: controllers}
	var err error
	if h.Version == 1 {
		if err = probe(parent.Dir, 1); err == nil {
			err = s.record(parent)
		}
	} else {
		parent, p.leaf, err = s.findV2(h, controllers)
	}
	if err == nil {
		p.parents = append(p.parents, parent)
	}
	return err
}

func (s Search) record(p Parent) error {
	if s.Record == nil {
		return nil
	}
	return s.Record(p)
}

// probe reports whether a cgroup can be made in dir, by making one.
func probe(dir string, version int) error {
	d := filepath.Join(dir, ourName("probe"))
	if err := os.Mkdir(d, 0o755); err != nil {
		return denied(version, fmt.Errorf("making a cgroup: %w", err))
	}
	if err := os.Remove(d); err != nil {
		return fmt.Errorf("removing a cgroup: %w", err)
	}
	if version == 2 {
		// Moving a process needs the right to write here too, as the common
		// ancestor of where it comes from and where it goes (cgroup-v2.rst,
		// "Delegation Containment").
		procs := filepath.Join(dir, "cgroup.procs")
		if err := unix.Faccessat(unix.AT_FDCWD, procs, unix.W_OK, unix.AT_EACCESS); err != nil {
			return denied(version, fmt.Errorf("moving processes below %s: %w", dir, &fs.PathError{Op: "access", Path: procs, Err: err}))
		}
	}
	return nil
}

// denied gives an error its kind and the remedy: with version 1 only root can
// help, with version 2 any user with a systemd session can.
func denied(version int, err error) error {
	if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, unix.EROFS) {
		return err
	}
	remedy := "run as root"
	switch {
	case errors.Is(err, unix.EROFS):
		remedy = "the cgroup filesystem is mounted read-only: mount -o remount,rw it, or run outside this container"
	case version == 2:
		remedy = "systemd-run --user --scope -p Delegate=yes zombench run"
	}
	return notPermitted(fmt.Errorf("%w; %s", err, remedy))
}

func notPermitted(err error) error { return kinded{measure.ErrNotPermitted, err} }
func notSupported(err error) error { return kinded{measure.ErrNotSupported, err} }

// kinded is an error of one of measure's kinds that keeps its own words.
type kinded struct{ kind, err error }

func (k kinded) Error() string   { return k.err.Error() }
func (k kinded) Unwrap() []error { return []error{k.kind, k.err} }

// Kind tells the version of the hierarchies in use: "v1", "v2", or "hybrid" for one of each.
func (p *Place) Kind() string {
	kinds := map[int]bool{}
	for _, parent := range p.parents {
		kinds[parent.Version] = true
	}
	switch {
	case kinds[1] && kinds[2]:
		return "hybrid"
	case kinds[2]:
		return "v2"
	default:
		return "v1"
	}
}

// NoMemory tells why the cgroups made here don't account memory; nil if they do.
func (p *Place) NoMemory() error { return p.noMemory }

// Dirs returns the directories under which cgroups are made, one for each hierarchy.
func (p *Place) Dirs() []string {
	dirs := make([]string, len(p.parents))
	for i, parent := range p.parents {
		dirs[i] = parent.Dir
	}
	return dirs
}

// Parents returns the same with what was done to them, for a journal.
func (p *Place) Parents() []Parent { return slices.Clone(p.parents) }

// Close undoes what Find did: this process goes back to where it was found and
// the controllers that were switched on for its sake are switched off. The
// cgroups made here must have been removed before.
func (p *Place) Close() error {
	var errs []error
	for _, parent := range p.parents {
		errs = append(errs, parent.Restore())
	}
	if p.leaf != nil {
		errs = append(errs, p.leaf.Close())
		p.leaf = nil
	}
	p.parents = nil
	return errors.Join(errs...)
}

// ourName is the name of a cgroup of this process.
func ourName(name string) string { return fmt.Sprintf("%s%d-%s", Prefix, os.Getpid(), name) }

// Fresh makes the cgroup zombench-PID-NAME, with this process's pid, in each
// hierarchy. The error matches fs.ErrExist if there is one already: a cgroup is
// never used twice.
func (p *Place) Fresh(name string) (*Cgroup, error) {
	if name == "" || strings.ContainsRune(name, '/') {
		return nil, fmt.Errorf("making a cgroup: %q is no name for one", name)
	}
	c := &Cgroup{}
	for _, parent := range p.parents {
		d := dir{path: filepath.Join(parent.Dir, ourName(name)), version: parent.Version}
		if err := c.add(d); err != nil {
			return nil, errors.Join(err, c.abandon())
		}
		if slices.Contains(parent.Controllers, pids) {
			c.pids = measure.Pids{Dir: d.path}
		}
		if slices.Contains(parent.Controllers, memory) {
			c.memory = &measure.Memcg{Dir: d.path, Version: parent.Version, Proc: p.proc}
		}
	}
	return c, nil
}

// add makes one more directory of a cgroup.
func (c *Cgroup) add(d dir) error {
	// Others may pass through it and not read it: who can open a directory can
	// lock it, and we would wait for them.
	err := os.Mkdir(d.path, 0o711)
	if err == nil {
		d.lock, err = lock(d.path, unix.LOCK_EX)
		if err != nil {
			err = errors.Join(err, os.Remove(d.path))
		}
	}
	if err != nil {
		return denied(d.version, fmt.Errorf("making a cgroup: %w", err))
	}
	d.own = filepath.Dir(d.path)
	c.dirs = append(c.dirs, d)
	return nil
}

// Join makes the cgroup in a further hierarchy, below the place of this process
// there, and returns its directory: that which it has already if it is there.
// Programs belong to it that are started from then on.
func (c *Cgroup) Join(h measure.Hierarchy) (string, error) {
	for _, d := range c.dirs {
		if d.version == 2 && h.Version == 2 || filepath.Dir(d.path) == h.Dir() {
			return d.path, nil
		}
	}
	d := dir{path: filepath.Join(h.Dir(), filepath.Base(c.dirs[0].path)), version: h.Version}
	return d.path, c.add(d)
}

// lock opens a cgroup's directory and locks it as flock(2) does, until the
// descriptor is closed, by us or by our end. Whoever made a cgroup holds it
// with LOCK_EX; who only looks at it does so with LOCK_SH, for a moment.
func lock(path string, how int) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "flock", Path: path, Err: err}
	}
	return f, nil
}
