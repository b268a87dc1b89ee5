// Package procs finds the processes that leave zombies behind, and who would
// reap the zombies if their parent ended.
//
// In flows /proc, which is read once ([Scan]); out flow the parents with what
// is known of each and a piece of advice. It signals nobody and keeps nothing.
// It is not for use during a measurement: each process that is looked at costs
// the kernel a dentry and an inode.
package procs

import (
	"cmp"
	"fmt"
	"slices"
	"syscall"
	"time"

	"zombench/measure"
)

// A Result is what a scan found.
type Result struct {
	Zombies     int      // of all parents
	Parents     []Parent // the one with the most zombies first
	LeaderEnded int      // processes that look like zombies, but only their main thread has ended
	Hidden      bool     // /proc hides the processes of other users (hidepid)
}

// A Parent is a process that leaves zombies: the whole thread group, whichever
// of its threads has started them. What cannot be read is empty: it may have
// ended meanwhile.
type Parent struct {
	PID     int                 `json:"pid"` // 0: outside of this pid namespace
	Command string              `json:"command"`
	Cgroup  string              `json:"cgroup"`
	State   string              `json:"state"` // as in proc_pid_stat(5)
	Zombies int                 `json:"zombies"`
	Oldest  int                 `json:"oldest_pid"`            // of its zombies, the one that was started first
	Age     time.Duration       `json:"oldest_started_ns_ago"` // of that one
	SIGCHLD measure.Disposition `json:"sigchld,omitempty"`
	Reaper  *Reaper             `json:"reaper,omitempty"` // nil: the parent is an init itself, or nothing is known
	Advice  string              `json:"advice"`           // what would reap the zombies, a sentence

	started uint64 // the oldest, in clock ticks after boot
}

// Scan reads every process once, and those that leave zombies again.
func Scan(fs measure.FS) (*Result, error) {
	uptime, err := fs.Uptime()
	if err != nil {
		return nil, err
	}
	all, err := fs.Processes()
	if err != nil {
		return nil, err
	}
	r := &Result{Hidden: true}
	parents := make(map[int]*Parent)
	t := tree{fs: fs, parent: make(map[int]int, len(all)), zombies: make(map[int]int)}
	for _, p := range all {
		r.Hidden = r.Hidden && p.PID != 1
		t.parent[p.PID] = p.PPid
		switch {
		case p.Zombie():
			r.Zombies++
			t.zombies[p.PPid]++
			if parents[p.PPid] == nil {
				parents[p.PPid] = &Parent{PID: p.PPid}
			}
			parents[p.PPid].add(p, uptime)
		case p.LeaderEnded():
			r.LeaderEnded++
		}
	}
	for _, p := range parents {
		p.describe(&t)
		r.Parents = append(r.Parents, *p)
	}
	slices.SortFunc(r.Parents, func(a, b Parent) int {
		return cmp.Or(cmp.Compare(b.Zombies, a.Zombies), cmp.Compare(a.PID, b.PID))
	})
	return r, nil
}

// add counts a zombie.
func (p *Parent) add(z measure.Process, uptime time.Duration) {
	if p.Zombies == 0 || z.StartTicks < p.started || z.StartTicks == p.started && z.PID < p.Oldest {
		p.started, p.Oldest = z.StartTicks, z.PID
		p.Age = max(0, uptime-z.Started())
	}
	p.Zombies++
}

// describe finds out who a parent is.
func (p *Parent) describe(t *tree) {
	if p.PID == 0 {
		p.Command = "(outside of this pid namespace)"
		p.Advice = "only a process outside of this pid namespace can reap them"
		return
	}
	status, err := t.fs.Status(p.PID)
	if err != nil {
		p.Command = "(has ended)"
		p.Advice = "look again: it has ended, and another process has inherited its zombies"
		return
	}
	p.Command, _ = t.fs.Command(p.PID)
	if p.Command == "" {
		p.Command = "[" + status.Name + "]"
	}
	p.Cgroup, _ = t.fs.CgroupPath(p.PID)
	p.State = string(status.State)
	p.SIGCHLD = status.Disposition(syscall.SIGCHLD)
	init := p.PID == 1 || status.Init()
	if !init {
		p.Reaper = t.reaperOf(p.PID, status)
	}
	p.Advice = p.advice(init)
}

// advice says what would reap the zombies.
func (p *Parent) advice(init bool) string {
	const all = "one signal may stand for several deaths, so it must call waitpid until no zombie is left; kill -CHLD %d may make it try again"
	var s string
	switch {
	case p.State == "T" || p.State == "t":
		s = fmt.Sprintf("it is stopped and cannot wait for them; kill -CONT %d resumes it", p.PID)
	case p.SIGCHLD == measure.Ignored:
		s = "it ignores SIGCHLD, so its children should leave no zombies; these ended before that, are traced, or were started with another exit signal: it must wait for them"
	case p.SIGCHLD == measure.Handled:
		s = fmt.Sprintf("it handles SIGCHLD but misses some children: "+all, p.PID)
	case p.SIGCHLD == measure.Blocked:
		s = fmt.Sprintf("it takes SIGCHLD by sigwait or signalfd but misses some children: "+all, p.PID)
	default:
		s = "it does nothing about SIGCHLD: it must call waitpid, or ignore SIGCHLD before its children end"
	}
	if init {
		return s + "; it is the init of its pid namespace, so no other process can reap them: use an init that does (docker run --init, tini)"
	}
	if p.Reaper != nil && (p.Reaper.Reaps == Yes || p.Reaper.Reaps == Likely) {
		s += fmt.Sprintf("; if it ends, pid %d (%s) inherits them", p.Reaper.PID, p.Reaper.Name)
	}
	return s
}
