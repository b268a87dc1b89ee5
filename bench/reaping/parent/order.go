package parent

// An Order is what a parent is told to do: one line of JSON on its standard
// input. It answers each by a Reply on its standard output.
type Order struct {
	Do     string `json:"do"`                // see the constants
	Count  int    `json:"count,omitempty"`   // of children; a limit
	How    string `json:"how,omitempty"`     // Collect: Each or Any; Dispose: a disposition
	StepNs int64  `json:"step_ns,omitempty"` // Textbook
	Pidns  bool   `json:"pidns,omitempty"`   // SpawnParent: as the init of a pid namespace of its own
}

// What a parent can be told to do.
const (
	Raise       = "raise"        // start Count children that end at once, and see each of them dead
	SpawnLiving = "spawn-living" // start Count children that live until Client.Release
	Collect     = "collect"      // wait for them, as How says
	Dispose     = "dispose"      // set the disposition of SIGCHLD to How
	Try         = "try"          // start one child and wait for it
	Cycle       = "cycle"        // start Count children, each waited for before the next
	SpawnParent = "spawn-parent" // start another parent as a child
	NProc       = "nproc"        // lower RLIMIT_NPROC to Count
	PidMax      = "pid_max"      // lower kernel.pid_max of the own pid namespace to Count
	Textbook    = "textbook"     // the order of waiting, see WaitInOrder; Count children, How, StepNs
)

// Ways of collecting.
const (
	Each = "each" // waitid(2) for each child in the order of their start
	Any  = "any"  // waitid for any child until there is none
)

// Dispositions of SIGCHLD.
const (
	Default   = "default"   // SIG_DFL: the dead become zombies
	Ignore    = "ignore"    // SIG_IGN: the kernel collects them itself
	NoCldWait = "nocldwait" // SA_NOCLDWAIT: the same, with a handler (or none) for the signal
)

// A Reply is what came of an order.
type Reply struct {
	PID      int     `json:"pid,omitempty"`      // SpawnParent and when ready: of the process, as it sees itself
	Standing int     `json:"standing,omitempty"` // Raise: children seen dead and uncollected; SpawnLiving: living
	Gone     int     `json:"gone,omitempty"`     // Raise: children that nobody could wait for any more
	Ended    int     `json:"ended,omitempty"`    // Collect, Cycle: children waited for
	PIDs     []int   `json:"pids,omitempty"`     // Raise, Cycle: of the children
	Steps    float64 `json:"steps,omitempty"`    // Textbook: zombie-steps
	Error    string  `json:"error,omitempty"`    // why not all was done: the name of the errno where there is one
}
