// Package procs finds the processes that leave zombies behind, and who would
// reap the zombies if their parent ended.
//
// In flow the processes of a machine, from a task iterator of BPF (package taskscan)
// or from /proc ([ByProc]), and what /proc says of the few that leave zombies; out
// flow the parents with what is known of each and a piece of advice. It signals
// nobody and keeps nothing. By /proc it is not for use during a measurement: each
// process that is looked at costs the kernel a dentry and an inode.
package procs

import (
	"cmp"
	"fmt"
	"slices"
	"syscall"
	"time"

	"zombench/measure"
	"zombench/measure/taskscan"
)

// A Result is what a scan found.
type Result struct {
	Zombies int      // of all parents
	Fresh   int      // of them, those that died in the last second, as far as that is known
	Parents []Parent // the one with the most zombies first
	Leaders []Leader // processes that look like zombies, but only their main thread has ended
	Hidden  bool     // /proc hides the processes of other users (hidepid)
}

// A Source calls each for every process of the machine, in no particular order. The
// Scan of a taskscan.Scanner is one that leaves no trace, and knows when zombies died.
type Source func(each func(*taskscan.Task)) error

// ByProc is the Source that reads /proc.
func ByProc(fs measure.FS) Source {
	return func(each func(*taskscan.Task)) error {
		all, err := fs.Processes()
		for _, p := range all {
			t := taskscan.Task{Process: p, Dead: -1}
			if p.Zombie() {
				t.Removed = removedCgroup(fs, p.PID)
			}
			each(&t)
		}
		return err
	}
}

// A Parent is a process that leaves zombies: the whole thread group, whichever
// of its threads has started them. What cannot be read is empty: it may have
// ended meanwhile.
type Parent struct {
	PID     int                 `json:"pid"`  // 0: outside of this pid namespace
	Name    string              `json:"name"` // of at most 15 bytes
	Command string              `json:"command"`
	Cgroup  string              `json:"cgroup"`
	Place                       // what the cgroup's path says
	State   string              `json:"state"` // as in proc_pid_stat(5)
	Zombies int                 `json:"zombies"`
	Oldest  int                 `json:"oldest_pid"`                    // of its zombies, the one that died first; if that is unknown, the one that was started first
	Age     time.Duration       `json:"oldest_started_ns_ago"`         // of that one
	Dead    *time.Duration      `json:"oldest_died_ns_ago,omitempty"`  // likewise; nil: unknown
	Recent  *int                `json:"died_in_last_minute,omitempty"` // of its zombies; nil: unknown
	Fresh   int                 `json:"died_in_last_second,omitempty"` // of its zombies, as far as that is known: it may be about to wait for them
	SIGCHLD measure.Disposition `json:"sigchld,omitempty"`
	Reaper  *Reaper             `json:"reaper,omitempty"` // nil: the parent is an init itself, or nothing is known
	Advice  string              `json:"advice"`           // what would reap the zombies, a sentence

	// Removed counts cgroups that were removed and that its zombies keep in memory.
	Removed int `json:"removed_cgroups,omitempty"`

	started uint64 // the oldest, in clock ticks after boot
}

// Found is what a look at every process finds, before anything is asked of any.
type Found struct {
	Zombies int
	Parents map[int]*Parent // those that have zombies, by pid: only the counts and the times
	Leaders []Leader        // processes of which only the main thread has ended: the pids, and how many threads there were
	parent  map[int]int     // of each process that is no zombie
}

// Look groups the zombies by parent. Ages are counted by how long the machine is up.
func Look(source Source, uptime time.Duration) (*Found, error) {
	f := &Found{Parents: make(map[int]*Parent), parent: make(map[int]int)}
	graves := make(map[string]bool)
	err := source(func(k *taskscan.Task) {
		switch {
		case k.Zombie():
			f.Zombies++
			p := f.Parents[k.PPid]
			if p == nil {
				p = &Parent{PID: k.PPid}
				f.Parents[k.PPid] = p
			}
			p.add(k, uptime)
			if k.Removed != "" && !graves[k.Removed] {
				graves[k.Removed] = true
				p.Removed++
			}
			return // it is nobody's parent any more
		case k.LeaderEnded():
			f.Leaders = append(f.Leaders, Leader{PID: k.PID, Threads: k.Threads - 1})
		}
		f.parent[k.PID] = k.PPid
	})
	return f, err
}

// DescribeLeaders looks by /proc at the threads of the leaders that were found.
// Those whose threads have ended meanwhile are left out.
func (f *Found) DescribeLeaders(fs measure.FS) []Leader {
	var all []Leader
	for _, l := range f.Leaders {
		if l.describe(fs) {
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b Leader) int { return cmp.Compare(a.PID, b.PID) })
	return all
}

// Scan looks at every process once, and by /proc at those that leave zombies.
func Scan(fs measure.FS, source Source) (*Result, error) {
	uptime, err := fs.Uptime()
	if err != nil {
		return nil, err
	}
	f, err := Look(source, uptime)
	if err != nil {
		return nil, err
	}
	r := &Result{Zombies: f.Zombies, Leaders: f.DescribeLeaders(fs)}
	_, err = fs.Process(1)
	r.Hidden = err != nil
	t := tree{fs, f.parent, make(map[int]int)}
	for _, p := range f.Parents {
		t.zombies[p.PID] = p.Zombies
	}
	for _, p := range f.Parents {
		p.describe(&t)
		r.Parents = append(r.Parents, *p)
		r.Fresh += p.Fresh
	}
	slices.SortFunc(r.Parents, func(a, b Parent) int {
		return cmp.Or(cmp.Compare(b.Zombies, a.Zombies), cmp.Compare(a.PID, b.PID))
	})
	return r, nil
}

// add counts a zombie.
func (p *Parent) add(z *taskscan.Task, uptime time.Duration) {
	if z.Dead >= 0 {
		if p.Recent == nil {
			p.Recent = new(int)
		}
		if z.Dead < time.Minute {
			*p.Recent++
		}
		if z.Dead < time.Second {
			p.Fresh++
		}
	}
	older := z.StartTicks < p.started || z.StartTicks == p.started && z.PID < p.Oldest
	if p.Dead != nil && z.Dead >= 0 {
		older = z.Dead > *p.Dead
	}
	if p.Zombies++; p.Zombies > 1 && !older {
		return
	}
	p.started, p.Oldest = z.StartTicks, z.PID
	p.Age = max(0, uptime-z.Started())
	if z.Dead >= 0 {
		dead := z.Dead // z is overwritten
		p.Dead = &dead
	}
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
	p.Name = status.Name
	p.Command, _ = t.fs.Command(p.PID)
	if p.Command == "" {
		p.Command = "[" + status.Name + "]"
	}
	p.Cgroup, _ = t.fs.CgroupPath(p.PID)
	p.Place = PlaceOf(p.Cgroup)
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
	case p.Name == "zombied":
		return fmt.Sprintf("zombied keeps them on purpose; kill -USR2 %d makes it reap them", p.PID)
	case p.Fresh == p.Zombies:
		return "they died within the last second: it may be about to wait for them"
	case p.State == "T" || p.State == "t":
		s = fmt.Sprintf("it is stopped and cannot wait for them; kill -CONT %d resumes it", p.PID)
	case p.SIGCHLD == measure.Ignored:
		s = "it ignores SIGCHLD, so its children should leave no zombies; these ended before that, are traced, or were started with another exit signal: it must wait for them"
	case p.SIGCHLD == measure.Handled:
		s = fmt.Sprintf("it handles SIGCHLD but seems to miss some children: "+all, p.PID)
	case p.SIGCHLD == measure.Blocked:
		s = fmt.Sprintf("it takes SIGCHLD by sigwait or signalfd but seems to miss some children: "+all, p.PID)
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
