package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"zombench/measure"
)

// leafName is the child of its own cgroup into which a process moves on
// version 2, so that its own cgroup may hand controllers to further children.
const leafName = Prefix + "self"

// errShared says that others live in the cgroup that we would have for ourselves.
var errShared = errors.New("shared with other processes")

// findV2 finds the parent for fresh cgroups in the version 2 hierarchy; the
// file is the lock on our leaf, if one was made.
func (s Search) findV2(h measure.Hierarchy, want []string) (Parent, *os.File, error) {
	own := h.Dir()
	parent := Parent{Dir: own, Version: 2, Controllers: want}

	have, err := words(filepath.Join(own, "cgroup.controllers"))
	if err != nil {
		return Parent{}, nil, fmt.Errorf("reading the controllers of the own cgroup: %w", err)
	}
	var why error
	if lacks := missing(have, want); len(lacks) > 0 {
		why = notSupported(fmt.Errorf("cgroup %s has no %s controller; as root: echo '+%s' > %s/cgroup.subtree_control, and in every cgroup below it",
			own, strings.Join(lacks, " and no "), strings.Join(lacks, " +"), h.Mount))
	} else {
		settled, leaf, err := s.settle(parent)
		if err == nil {
			return settled, leaf, nil
		}
		why = err
	}

	// Up the tree, to where others have already done what we could not.
	for _, dir := range h.Ancestors()[1:] {
		have, err := words(filepath.Join(dir, "cgroup.subtree_control"))
		if err != nil || len(missing(have, want)) > 0 {
			continue
		}
		if err := probe(dir, 2); err != nil {
			why = err
			break // whoever may not write here may not write further up either
		}
		parent.Dir = dir
		return parent, nil, s.record(parent)
	}
	if errors.Is(why, errShared) {
		why = notPermitted(fmt.Errorf("%w; %s", why, aloneRemedy(own)))
	}
	return Parent{}, nil, why
}

// aloneRemedy is the command that gives zombench a cgroup of its own: systemd
// makes one for anybody, elsewhere it takes root and the processes in the way.
func aloneRemedy(own string) string {
	if _, err := os.Stat("/run/systemd/system"); err == nil || os.Geteuid() != 0 {
		user := "--user "
		if os.Geteuid() == 0 {
			user = ""
		}
		return "systemd-run " + user + "--scope -p Delegate=yes zombench run"
	}
	return fmt.Sprintf("move them into a leaf: mkdir %[1]s/init; for p in $(cat %[1]s/cgroup.procs); do echo $p > %[1]s/init/cgroup.procs; done; echo '+pids +memory' > %[1]s/cgroup.subtree_control", own)
}

// settle makes the process's own cgroup ready to have children that carry the
// controllers, and returns it with what was done to it.
func (s Search) settle(parent Parent) (_ Parent, leaf *os.File, err error) {
	enabled, err := words(filepath.Join(parent.Dir, "cgroup.subtree_control"))
	if err != nil {
		return parent, nil, fmt.Errorf("reading what the own cgroup hands down: %w", err)
	}
	todo := missing(enabled, parent.Controllers)
	if err := probe(parent.Dir, 2); err != nil {
		return parent, nil, err
	}
	if len(todo) == 0 {
		return parent, nil, s.record(parent)
	}
	parent.Enabled = todo
	// Only the root may hold processes and hand down controllers; it alone has
	// no cgroup.type.
	if _, err := os.Stat(filepath.Join(parent.Dir, "cgroup.type")); err == nil {
		others, err := s.strangers(parent.Dir)
		if err != nil {
			return parent, nil, err
		}
		if len(others) > 0 {
			return parent, nil, fmt.Errorf("cgroup %s: %w (pid %d)", parent.Dir, errShared, others[0])
		}
		parent.Leaf = true
	}
	if err := s.record(parent); err != nil {
		return parent, nil, err
	}
	if leaf, err = s.alter(parent); err != nil {
		err = errors.Join(err, parent.Restore())
		if leaf != nil {
			leaf.Close()
		}
	}
	return parent, leaf, err
}

// alter does to the parent what its fields say.
func (s Search) alter(parent Parent) (leaf *os.File, err error) {
	if parent.Leaf {
		dir := filepath.Join(parent.Dir, leafName)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, denied(2, fmt.Errorf("making a leaf to move into: %w", err))
		}
		if leaf, err = lock(dir, unix.LOCK_EX|unix.LOCK_NB); err != nil {
			return nil, fmt.Errorf("taking the leaf to move into: %w", err)
		}
		// The others first: they may end at any moment, which is no fault.
		for _, pid := range append(slices.Clone(s.With), os.Getpid()) {
			err := write(filepath.Join(dir, "cgroup.procs"), strconv.Itoa(pid))
			if err != nil && !(errors.Is(err, unix.ESRCH) && pid != os.Getpid()) {
				return leaf, denied(2, fmt.Errorf("moving into a leaf: %w", err))
			}
		}
	}
	err = write(filepath.Join(parent.Dir, "cgroup.subtree_control"), "+"+strings.Join(parent.Enabled, " +"))
	switch {
	case errors.Is(err, unix.EBUSY):
		// Somebody came in between.
		return leaf, fmt.Errorf("cgroup %s: %w (%w)", parent.Dir, errShared, err)
	case errors.Is(err, unix.EOPNOTSUPP):
		return leaf, notSupported(fmt.Errorf("cgroup %s is threaded and can't hand down memory: %w", parent.Dir, err))
	case err != nil:
		return leaf, denied(2, fmt.Errorf("handing down controllers: %w", err))
	}
	return leaf, nil
}

// strangers lists the processes in a cgroup that are not ours. A process out of
// our pid namespace is listed as 0.
func (s Search) strangers(dir string) ([]int, error) {
	procs, err := procs(dir)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(procs, func(pid int) bool {
		return pid == os.Getpid() || slices.Contains(s.With, pid)
	}), nil
}

// Restore undoes what was done to the parent: it switches the controllers off
// again and brings whoever lives in the leaf back. What is not there any more
// counts as undone.
func (p Parent) Restore() error {
	var errs []error
	if len(p.Enabled) > 0 {
		err := write(filepath.Join(p.Dir, "cgroup.subtree_control"), "-"+strings.Join(p.Enabled, " -"))
		if err != nil && !gone(err) {
			errs = append(errs, fmt.Errorf("taking back controllers: %w", err))
		}
	}
	if p.Leaf {
		if err := p.dissolveLeaf(); err != nil {
			errs = append(errs, fmt.Errorf("dissolving the leaf: %w", err))
		}
	}
	return errors.Join(errs...)
}

// dissolveLeaf moves the processes of the leaf up and removes it. It goes on
// while there are new ones: a process may fork while we move it.
func (p Parent) dissolveLeaf() error {
	leaf := filepath.Join(p.Dir, leafName)
	for range 10 {
		pids, err := procs(leaf)
		if gone(err) {
			return nil
		} else if err != nil {
			return err
		}
		for _, pid := range pids {
			err := write(filepath.Join(p.Dir, "cgroup.procs"), strconv.Itoa(pid))
			if err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
		if err = os.Remove(leaf); err == nil || gone(err) {
			return nil
		} else if !errors.Is(err, unix.EBUSY) {
			return err
		}
	}
	return &fs.PathError{Op: "rmdir", Path: leaf, Err: unix.EBUSY}
}

// gone reports whether an error says that a cgroup is not there (any more):
// ENODEV comes from a file of a cgroup that was removed after it was opened.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}

// missing returns those of want that have lacks.
func missing(have, want []string) []string {
	return slices.DeleteFunc(slices.Clone(want), func(w string) bool { return slices.Contains(have, w) })
}

// words reads a file that holds one line of words.
func words(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	return strings.Fields(string(b)), err
}

// write writes to a cgroup's file, which must exist, in one system call.
func write(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
