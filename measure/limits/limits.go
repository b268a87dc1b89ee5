// Package limits finds the limit that a process meets first when it makes more
// processes, and what raises it.
//
// In flows what package measure reads of a process, its user, its cgroups and
// the machine ([Read]); out flow limits as data: what is taken, what is left,
// who owns it, and a [Remedy] that people can type or a program can apply.
// [Query.Check] answers for processes that are asked for, [Query.Headroom] for
// as many as there is room for, and [Rate] says when they will have come.
//
// It changes nothing. Read walks all of /proc, so it is not for use during a
// measurement; [ReadMachine] and [ReadCgroups] walk nothing and know less.
package limits

import (
	"fmt"
	"math"
	"math/bits"
)

// Units of a Limit.
const (
	Processes   = "processes" // every thread counts as one
	Bytes       = "bytes"
	Descriptors = "descriptors"
)

const memAvailable = "MemAvailable"

// A Limit is one bound that a process meets when it makes more processes.
type Limit struct {
	Name      string // "RLIMIT_NPROC", "kernel.pid_max", "kernel.threads-max", "pids.max", "memory.max", "memory.limit_in_bytes", "memory.kmem.limit_in_bytes", "MemAvailable", "RLIMIT_NOFILE"
	Where     string // the file that holds it, and what it does not show if that matters
	Owner     string // who sets it, as far as the name of the cgroup says: "systemd: TasksMax of user-1000.slice"
	Value     uint64 // in Unit; meaningless if Unlimited
	Used      uint64 // in Unit
	Unit      string
	Unlimited bool
	Binds     bool // false: it is there but does not bind this process
	Unseen    bool // how much is used is not shown; Used is 0

	raise func(to uint64) Remedy // nil: nothing raises it
}

// Room returns how much more fits, in the limit's unit; math.MaxUint64 if
// nothing bounds it.
func (l Limit) Room() uint64 {
	switch {
	case l.Unlimited || !l.Binds:
		return math.MaxUint64
	case l.Used >= l.Value:
		return 0
	}
	return l.Value - l.Used
}

// A Remedy is what raises a limit. The zero Remedy is none.
type Remedy struct {
	Text   string // a shell command
	Sysctl string // if the remedy is to set this sysctl, its name as in sysctl(8)
	Value  string // of the sysctl
}

// setSysctl is the remedy that sets a sysctl.
func setSysctl(name string, value uint64) Remedy {
	return Remedy{Text: fmt.Sprintf("sysctl -w %s=%d", name, value), Sysctl: name, Value: fmt.Sprint(value)}
}

// A Query is what is going to be asked of the system.
type Query struct {
	PID             int    // whose limits; 0 means the reading process
	Count           uint64 // processes to come
	Cgroup          string // in which they will be, see measure.FS.CgroupAt; "" means that of the process
	BytesPerZombie  uint64 // memory each of them takes; 0 if memory is of no concern
	ChargePerZombie uint64 // of it, what is charged to its cgroup; 0 means all
	Descriptors     uint64 // file descriptors to come, in the process itself
	ExtraTasks      uint64 // threads to come besides

	Tasks Tasks // how tasks are counted; nil means by a walk of /proc
}

// bytesEach returns how many bytes of a limit each process takes. A cgroup is
// charged for objects, the machine gives whole pages of them.
func (q Query) bytesEach(l Limit) uint64 {
	if l.Name != memAvailable && q.ChargePerZombie > 0 {
		return q.ChargePerZombie
	}
	return q.BytesPerZombie
}

// needs returns how much of a limit the query takes.
func (q Query) needs(l Limit) uint64 {
	switch l.Unit {
	case Processes:
		return saturatingAdd(q.Count, q.ExtraTasks)
	case Bytes:
		each := q.bytesEach(l)
		if q.Count > 0 && each > math.MaxUint64/q.Count {
			return math.MaxUint64
		}
		return q.Count * each
	case Descriptors:
		return q.Descriptors
	}
	return 0
}

// fits returns how many of the processes asked for a limit has room for.
func (q Query) fits(l Limit) uint64 {
	room := l.Room()
	switch {
	case room >= q.needs(l):
		return q.Count
	case l.Unit == Processes:
		return room - min(room, q.ExtraTasks)
	case l.Unit == Bytes:
		return room / q.bytesEach(l)
	}
	// Descriptors: an equal share each; the product needs 128 bits.
	hi, lo := bits.Mul64(room, q.Count)
	n, _ := bits.Div64(hi, lo, q.Descriptors)
	return n
}

// Check returns an *Error for the first of the limits that the query breaks, or
// nil.
func (q Query) Check(limits []Limit) error {
	for _, l := range limits {
		if need := q.needs(l); need > l.Room() {
			return &Error{Limit: l, Need: need, Fits: q.fits(l), Remedy: q.Remedy(l)}
		}
	}
	return nil
}

// Remedy returns what makes room for the query under a limit: none if there is
// room, or if nothing raises the limit that far.
func (q Query) Remedy(l Limit) Remedy {
	need := q.needs(l)
	if need <= l.Room() || l.raise == nil {
		return Remedy{}
	}
	return l.raise(saturatingAdd(l.Used, need))
}

// Refused returns the error of a limit that is known to have refused one of the
// processes, whatever room it shows by now.
func (q Query) Refused(l Limit) *Error {
	e := &Error{Limit: l, Need: q.needs(l), Fits: q.fits(l), Refused: true}
	if l.raise != nil {
		e.Remedy = l.raise(max(saturatingAdd(l.Used, e.Need), saturatingAdd(l.Value, 1)))
	}
	return e
}

// An Error says that a limit leaves too little room.
type Error struct {
	Limit   Limit
	Need    uint64 // how much more is needed, in the limit's unit
	Fits    uint64 // how many of the processes asked for would fit
	Remedy  Remedy
	Refused bool // the kernel has enforced it; otherwise it would
}

func (e *Error) Error() string {
	l := e.Limit
	if e.Refused {
		s := fmt.Sprintf("%s was reached (%s: %d, %d in use)", l.Name, l.Where, l.Value, l.Used)
		if e.Remedy.Text == "" {
			return s
		}
		return s + "; raise it with: " + e.Remedy.Text
	}
	s := fmt.Sprintf("%s is too low: %d more %s are needed and there is room for %d (%s: %d, %d in use)",
		l.Name, e.Need, l.Unit, l.Room(), l.Where, l.Value, l.Used)
	if e.Remedy.Text == "" {
		return s + fmt.Sprintf("; no command raises it far enough: ask for at most %d", e.Fits)
	}
	return s + "; raise it with: " + e.Remedy.Text
}

func saturatingAdd(a, b uint64) uint64 {
	if sum, carry := bits.Add64(a, b, 0); carry == 0 {
		return sum
	}
	return math.MaxUint64
}
