package bench

import (
	"fmt"
	"os"
	"os/exec"

	"zombench/bench/cgroup"
	"zombench/measure"
)

// A Host is the machine as an experiment meets it: the kernel's files, what of
// them this user may read, and where cgroups can be made.
type Host struct {
	FS          measure.FS
	Machine     measure.Machine
	Instruments Instruments

	place *cgroup.Place    // nil: no cgroups to be had
	met   map[string]error // what the needs that were checked lack, by name
}

// Survey finds out what there is on this machine. Close it.
func Survey(fs measure.FS) (*Host, error) {
	machine, err := fs.Machine()
	if err != nil {
		return nil, err
	}
	h := &Host{FS: fs, Machine: machine}
	var placeErr error
	h.place, placeErr = cgroup.Find(fs)
	h.Instruments = Probe(fs, machine, h.place, placeErr)
	return h, nil
}

// Close gives back the place for cgroups.
func (h *Host) Close() error {
	if h.place == nil {
		return nil
	}
	return h.place.Close()
}

// CgroupKind says which kind of hierarchy the trials' cgroups are of: "v1",
// "v2", "hybrid", or "none".
func (h *Host) CgroupKind() string {
	if h.place == nil {
		return "none"
	}
	return h.place.Kind()
}

// CgroupParents returns the directories in which the trials' cgroups are made.
func (h *Host) CgroupParents() []string {
	if h.place == nil {
		return nil
	}
	return h.place.Dirs()
}

// A Need is something that a setup cannot run without. Those of one name are one
// need, which is checked once.
type Need struct {
	Name  string            // for people: root, cgroups, gcc
	Check func(*Host) error // nil if it is there; else why not and what helps
}

// The needs of several experiments.
var (
	NeedRoot = Need{"root", func(*Host) error {
		if os.Geteuid() != 0 {
			return fmt.Errorf("run as root: %w", measure.ErrNotPermitted)
		}
		return nil
	}}
	NeedCgroup = Need{"cgroups", func(h *Host) error {
		if h.place == nil {
			return fmt.Errorf("a fresh cgroup: %w", h.Instruments.List[pids].Err)
		}
		return nil
	}}
	NeedKmem = Need{"kernel memory of a cgroup", func(h *Host) error {
		return h.Instruments.List[kmem].Err
	}}
	// Only from Linux 6.14 on has a pid namespace a limit of its own.
	NeedOwnPidMax = Need{"kernel.pid_max of a pid namespace", func(h *Host) error {
		if release := measure.Release(h.Machine.Kernel); !release.AtLeast(6, 14) {
			return fmt.Errorf("kernel.pid_max of a pid namespace of its own: Linux %s: %w, 6.14 has it", release, measure.ErrNotSupported)
		}
		return nil
	}}
)

// NeedProgram is the need for a program on PATH; remedy says how to get it.
func NeedProgram(name, remedy string) Need {
	return Need{name, func(*Host) error {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("%s is not on PATH; %s", name, remedy)
		}
		return nil
	}}
}

// Lacks returns the first need of a setup that this machine does not meet; nil
// if it can run here.
func (h *Host) Lacks(s Setup) error {
	if h.met == nil {
		h.met = make(map[string]error)
	}
	for _, n := range s.Needs {
		err, known := h.met[n.Name]
		if !known {
			err = n.Check(h)
			h.met[n.Name] = err
		}
		if err != nil {
			return err
		}
	}
	return nil
}
