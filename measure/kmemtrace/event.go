package kmemtrace

// A Kind says what happened.
type Kind uint8

const (
	Alloc Kind = iota // an object was allocated
	Free              // an object was freed. Frees in bulk (kfree_rcu) are not traced
	Fork              // a task was made
)

// An Event is one thing that happened.
type Event struct {
	Kind     Kind
	Time     uint64 // ns of CLOCK_MONOTONIC
	Task     int32  // tid of who did it, in our pid namespace; 0 if it is not in there
	Process  int32  // pid of that
	Child    int32  // Fork: the tid of the new task
	Ptr      uint64 // of the object
	CallSite uint64 // return address into the function that called the allocator
	Cache    string // name; empty for kmalloc and kfree, of an Alloc before Linux 6.1, of a Free before 5.12

	// Of an Alloc:
	Requested, Allocated uint64   // bytes
	General              bool     // by kmalloc, from a general cache
	Accounted            Tristate // to a memory cgroup
}

// A Tristate may be unknown.
type Tristate int8

const (
	Unknown Tristate = iota
	No
	Yes
)

func (t Tristate) String() string { return [...]string{"unknown", "no", "yes"}[t] }
