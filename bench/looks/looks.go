// Package looks finds out which programs look at processes below /proc, and which
// fork, while something is measured.
//
// The first look at a file below /proc/PID makes a dentry and an inode, and where
// security modules keep one a blob for the inode. The kmem tracepoints tell which
// task allocated them. In flow these events, filtered by the kernel so that tracing
// does not slow down what is measured; out flow the programs by name, with how often
// they looked and what they left. Looks that made nothing are not seen: what one
// watcher has made the next one finds. It is not for whose the objects of a slab
// cache are, which package shares tells, without tracing too.
package looks

import (
	"cmp"
	"maps"
	"os"
	"slices"
	"time"

	"zombench/measure"
	"zombench/measure/kmemtrace"
	"zombench/results"
)

// The functions of the kernel that allocate what a look at /proc/PID leaves:
// the inode of a file there, its dentry, and the blob of security modules for an
// inode (fs/proc/inode.c, fs/dcache.c, security/security.c); and the caches of the
// first two.
const (
	allocInode  = "proc_alloc_inode"
	allocDentry = "__d_alloc"
)

var (
	allocBlob = []string{"lsm_inode_alloc", "security_inode_alloc"}
	caches    = []string{"proc_inode_cache", "dentry"}
)

// maxGaps is of how many looks the time in between is kept.
const maxGaps = 1000

// pauseNs is how long a program does not look before its next look counts as
// another.
const pauseNs = uint64(200 * time.Millisecond)

// A Tracker follows who looks and who forks, from Start until it is closed. It is
// not for several goroutines at once.
type Tracker struct {
	fs        measure.FS
	trace     *kmemtrace.Trace
	functions []kmemtrace.Range
	names     map[int32]string  // of processes that were asked for theirs
	ours      map[int32]bool    // this process, and what it has forked since Start
	known     map[string]*known // programs by name
	made      uint64            // inodes, since Start

	// Since Forget:
	programs map[string]*program
	live     map[uint64]object
	forks    map[string]*program
	last     map[int32]last // of a task
	lost     error
}

// known is what is known of a program since Start.
type known struct {
	pid         int32    // of its process, 0 if there were several
	begun, last uint64   // of its last look, in ns: when it began, and what was seen of it last
	gaps        []uint64 // from one look to the next
}

// A program is what processes of one name did.
type program struct {
	processes map[int32]uint64 // inodes that each of them made, or children
	times     uint64           // that it looked
	objects   uint64           // that are left
	bytes     uint64           // of these
}

// An object is one that a look has made, of an inode with its blob.
type object struct {
	*program
	objects, bytes uint64
}

// last is what a task allocated last: a dentry comes before the inode that it is
// for, a blob behind it.
type last struct {
	dentry kmemtrace.Event
	inode  uint64 // address
}

// Available reports why there can be no Tracker here, nil if there can.
func Available(host measure.FS) error {
	return cmp.Or(kmemtrace.SymbolsAvailable(host), kmemtrace.Available(host))
}

// Start begins to follow.
func Start(host measure.FS) (*Tracker, error) {
	functions, err := kmemtrace.FindFunctions(host, slices.Concat(allocBlob, []string{allocInode, allocDentry})...)
	if err != nil {
		return nil, err
	}
	t := &Tracker{fs: host, functions: functions, names: make(map[int32]string), known: make(map[string]*known), ours: map[int32]bool{int32(os.Getpid()): true}}
	if err := t.start(); err != nil {
		return nil, err
	}
	t.clear()
	return t, nil
}

func (t *Tracker) start() (err error) {
	t.trace, err = kmemtrace.StartOnly(t.fs, kmemtrace.Only{By: t.functions, Of: caches})
	return err
}

// Close ends it.
func (t *Tracker) Close() {
	if t.trace != nil {
		t.trace.Close()
	}
}

// Forget begins anew: what was seen so far counts no longer, but for how often a
// program looks.
func (t *Tracker) Forget() {
	t.read()
	t.clear()
	if t.trace == nil {
		t.lost = t.start()
	}
}

func (t *Tracker) clear() {
	t.programs, t.forks = make(map[string]*program), make(map[string]*program)
	t.live, t.last = make(map[uint64]object), make(map[int32]last)
	t.lost = nil
}

// read takes in what has happened. A trace with gaps is worth nothing: nobody is
// named until Forget.
func (t *Tracker) read() {
	if t.trace == nil {
		return
	}
	events, err := t.trace.Take()
	if err != nil {
		t.lost = err
		t.trace.Close()
		t.trace = nil
	}
	for _, e := range events {
		t.take(e)
	}
}

// Made returns how many inodes others made below /proc since Start; false if some
// of them were missed since Forget.
func (t *Tracker) Made() (inodes uint64, ok bool) {
	t.read()
	return t.made, t.lost == nil
}

// take takes in one event.
func (t *Tracker) take(e kmemtrace.Event) {
	switch {
	case e.Kind == kmemtrace.Free:
		if o, ok := t.live[e.Ptr]; ok {
			o.program.objects -= o.objects
			o.program.bytes -= o.bytes
			delete(t.live, e.Ptr)
		}
	case e.Kind == kmemtrace.Fork:
		if t.ours[e.Child] = t.ours[e.Process]; !t.ours[e.Child] {
			t.of(t.forks, t.name(e.Process), e.Process)
			delete(t.ours, e.Child)
		}
	case e.Process == 0 || t.ours[e.Process]:
	default:
		t.look(e)
	}
}

// look takes in an allocation.
func (t *Tracker) look(e kmemtrace.Event) {
	was := t.last[e.Task]
	switch t.caller(e.CallSite) {
	case allocDentry:
		t.last[e.Task] = last{dentry: e}
	case allocInode:
		name := t.name(e.Process)
		p := t.of(t.programs, name, e.Process)
		if t.another(name, e.Time) || p.times == 0 {
			p.times++
		}
		t.made++
		t.keep(p, e.Ptr, e.Allocated)
		if was.dentry.Ptr != 0 {
			t.keep(p, was.dentry.Ptr, was.dentry.Allocated)
		}
		t.last[e.Task] = last{inode: e.Ptr}
	default: // a blob goes with its inode
		if o, ok := t.live[was.inode]; ok {
			t.keep(o.program, was.inode, e.Allocated)
		}
		delete(t.last, e.Task)
	}
}

// another reports whether another look of a program began at this time.
func (t *Tracker) another(name string, at uint64) bool {
	p := t.known[name]
	another := p.begun == 0 || at-p.last > pauseNs
	if another && p.begun > 0 && len(p.gaps) < maxGaps {
		p.gaps = append(p.gaps, at-p.begun)
	}
	if p.last = at; another {
		p.begun = at
	}
	return another
}

// every returns the median time from one look to the next, 0 if there was one.
func (p *known) every() time.Duration {
	if len(p.gaps) == 0 {
		return 0
	}
	gaps := slices.Sorted(slices.Values(p.gaps))
	return time.Duration(gaps[len(gaps)/2])
}

func (t *Tracker) keep(p *program, ptr, bytes uint64) {
	p.objects++
	p.bytes += bytes
	o := t.live[ptr]
	t.live[ptr] = object{p, o.objects + 1, o.bytes + bytes}
}

func (t *Tracker) caller(address uint64) string {
	for _, f := range t.functions {
		if f.Calls(address) {
			return f.Name
		}
	}
	return ""
}

// of returns the program that a process is of, which has done it once more.
func (t *Tracker) of(programs map[string]*program, name string, pid int32) *program {
	p := programs[name]
	if p == nil {
		p = &program{processes: make(map[int32]uint64)}
		programs[name] = p
	}
	p.processes[pid]++
	if k := t.known[name]; k == nil {
		t.known[name] = &known{pid: pid}
	} else if k.pid != pid {
		k.pid = 0
	}
	return p
}

// name returns what a process is called, "?" if it is gone.
func (t *Tracker) name(pid int32) string {
	if t.trace != nil {
		if name := t.trace.Name(pid); name != "" {
			return name
		}
	}
	name, ok := t.names[pid]
	if !ok {
		name = "?"
		if p, err := t.fs.Status(int(pid)); err == nil {
			name = p.Name
		}
		t.names[pid] = name
	}
	return name
}

// Watchers returns who looked since Forget: programs one process of which made at
// least so many inodes, the one that left most first. Many look at themselves.
func (t *Tracker) Watchers(least uint64) ([]results.Watcher, error) {
	t.read()
	if t.lost != nil {
		return nil, t.lost
	}
	var found []results.Watcher
	for name, p := range t.programs {
		if slices.Max(slices.Collect(maps.Values(p.processes))) >= least {
			found = append(found, results.Watcher{Command: name, PID: uint64(t.known[name].pid), Processes: uint64(len(p.processes)), Looks: p.times,
				Every: t.known[name].every(), Objects: p.objects, Bytes: p.bytes})
		}
	}
	slices.SortFunc(found, func(a, b results.Watcher) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Command, b.Command))
	})
	return found, nil
}

// Forkers names those who forked most since Forget: each of them a tenth of all
// forks or more.
func (t *Tracker) Forkers() []string {
	var all uint64
	forks := make(map[string]uint64)
	for name, p := range t.forks {
		for _, n := range p.processes {
			all += n
			forks[name] += n
		}
	}
	var names []string
	for name, n := range forks {
		if 10*n >= all {
			names = append(names, results.Watcher{Command: name, PID: uint64(t.known[name].pid)}.Name())
		}
	}
	slices.Sort(names)
	return names
}
