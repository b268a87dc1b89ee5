package procs

import (
	"fmt"
	"strings"
	"syscall"

	"zombench/measure"
)

// A Reaper is the process that inherits zombies when their parent ends.
type Reaper struct {
	PID   int     `json:"pid"`
	Name  string  `json:"name"`
	Kind  Kind    `json:"kind"`
	Reaps Verdict `json:"reaps"` // whether it would reap them
	Why   string  `json:"why"`   // a phrase
}

// A Kind is how a process came to inherit.
type Kind string

const (
	Init      Kind = "init"      // of the pid namespace
	Subreaper Kind = "subreaper" // PR_SET_CHILD_SUBREAPER of prctl(2)
)

// A Verdict says whether a process would reap what it inherits.
type Verdict string

const (
	Yes      Verdict = "yes" // the kernel does it in its place
	Likely   Verdict = "likely"
	Unlikely Verdict = "unlikely"
	Unknown  Verdict = "unknown"
)

// subreapers are known to make themselves one, by the beginnings of their names
// as the kernel keeps them: systemd --user, the shims of containerd, conmon of
// podman and CRI-O. Nothing in /proc says who is a subreaper.
var subreapers = []string{"systemd", "containerd-shim", "conmon"}

// A tree is what is known of who descends from whom.
type tree struct {
	fs      measure.FS
	parent  map[int]int // of each process
	zombies map[int]int // of each parent
}

// reaperOf finds who inherits the children of a process (find_new_reaper of
// kernel/exit.c): its nearest ancestor that is a subreaper, within its pid
// namespace, or else the init of that. It is nil if neither can be seen, as
// for a process that has entered a namespace from outside.
func (t *tree) reaperOf(pid int, process measure.Status) *Reaper {
	level := len(process.NSpid)
	for range len(t.parent) { // as many steps as there are processes, should they go in a circle
		pid = t.parent[pid]
		if pid == 0 {
			return nil
		}
		s, err := t.fs.Status(pid)
		if err != nil || len(s.NSpid) < level {
			return nil
		}
		r := &Reaper{PID: pid, Name: s.Name}
		switch {
		case pid == 1 || s.Init():
			r.Kind = Init
		case isSubreaper(s.Name):
			r.Kind = Subreaper
		default:
			continue
		}
		r.Reaps, r.Why = judge(s, t.zombies[pid])
		r.Why = fmt.Sprintf("pid %d (%s), the %s, %s", r.PID, r.Name, r.Kind, r.Why)
		return r
	}
	return nil
}

func isSubreaper(name string) bool {
	for _, known := range subreapers {
		if strings.HasPrefix(name, known[:min(len(known), 15)]) {
			return true
		}
	}
	return false
}

// judge says whether a process reaps, by what it does about SIGCHLD and by how
// many zombies it leaves itself.
func judge(s measure.Status, zombies int) (reaps Verdict, why string) {
	switch d := s.Disposition(syscall.SIGCHLD); {
	case d == measure.Ignored:
		return Yes, "ignores SIGCHLD: the kernel reaps in its place"
	case zombies > 0:
		return Unlikely, fmt.Sprintf("has zombies of its own (%d)", zombies)
	case d == measure.Default:
		return Unknown, "does nothing about SIGCHLD: it reaps only if it waits all the same"
	default:
		return Likely, fmt.Sprintf("has SIGCHLD %s and leaves no zombies itself", d)
	}
}
