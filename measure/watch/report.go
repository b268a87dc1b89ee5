package watch

import (
	"time"

	"zombench/measure/lifecycle"
	"zombench/measure/procs"
)

// A Report is what happened in an interval, and how it stood at its end.
type Report struct {
	Time    time.Time     `json:"time"`
	Elapsed time.Duration `json:"interval_ns"`
	Source  string        `json:"source"`           // BPF or ProcScan
	Unseen  []string      `json:"unseen,omitempty"` // what this source cannot see

	Zombies int     `json:"zombies"` // that stand
	Bytes   uint64  `json:"holds_bytes"`
	Arose   *uint64 `json:"arose,omitempty"`  // processes that died in the interval; nil: unseen
	Reaped  *uint64 `json:"reaped,omitempty"` // in the interval
	Born    *uint64 `json:"born,omitempty"`   // processes that were started in the interval
	Growth  Growth  `json:"growth"`
	Latency *Waits  `json:"latency,omitempty"` // of those reaped in the interval
	Removed int     `json:"removed_cgroups"`   // that zombies keep in memory

	Parents   []Parent       `json:"parents"` // who leaks first, then who has most zombies, then who has most deaths
	Commands  []Command      `json:"commands,omitempty"`
	Leaders   []procs.Leader `json:"leaders,omitempty"` // that look like zombies and are none
	Forecasts []Forecast     `json:"forecasts"`         // the one that is reached first before the others
	Lost      uint64         `json:"lost_events"`       // since the start
	Untimed   uint64         `json:"untimed_deaths"`    // since the start: no latency is known of them

	All       lifecycle.Counts  `json:"-"` // since the start
	Histogram lifecycle.Latency `json:"-"` // since the start
	Labelled  []Labelled        `json:"-"` // since the start
}

// Sources of a Report.
const (
	BPF      = "bpf"
	ProcScan = "proc"
)

// Waits is how long the dead waited to be reaped. A quantile is known to an eighth
// of itself.
type Waits struct {
	Count   uint64        `json:"count"`
	P50     time.Duration `json:"p50_ns"`
	P99     time.Duration `json:"p99_ns"`
	Longest time.Duration `json:"longest_ns"` // since the start
}

func waitsOf(l lifecycle.Latency) *Waits {
	if l.Count == 0 {
		return nil
	}
	middle := func(q float64) time.Duration {
		lo, hi := l.Quantile(q)
		return lo + (hi-lo)/2
	}
	return &Waits{Count: l.Count, P50: middle(0.5), P99: middle(0.99), Longest: l.Longest}
}

// A Parent is a process of which children died or were reaped, or that has zombies.
type Parent struct {
	PID     int    `json:"pid"` // 0: outside of this pid namespace
	Name    string `json:"name"`
	Command string `json:"command,omitempty"`
	Cgroup  string `json:"cgroup,omitempty"`
	procs.Place
	Ended   bool           `json:"ended,omitempty"`
	Child   string         `json:"child,omitempty"` // the name of the child that died last
	Zombies int            `json:"zombies"`
	Bytes   uint64         `json:"holds_bytes"`
	Oldest  *time.Duration `json:"oldest_ns,omitempty"` // how long its oldest zombie has been dead; nil: unknown
	Born    uint64         `json:"born"`
	Arose   uint64         `json:"arose"`
	Reaped  uint64         `json:"reaped"`
	Growth  Growth         `json:"growth"`
	Latency *Waits         `json:"latency,omitempty"` // since the start
}

// A Command sums up parents of one name that have ended and left no zombies.
type Command struct {
	Name   string `json:"name"`
	Ended  uint64 `json:"ended"` // parents, in the interval
	Born   uint64 `json:"born"`
	Arose  uint64 `json:"arose"`
	Reaped uint64 `json:"reaped"`
}

// A Forecast is when a limit is reached if the zombies go on to become more at the
// rate at which they do.
type Forecast struct {
	Limit    string        `json:"limit"`
	Where    string        `json:"where"`
	Owner    string        `json:"owner,omitempty"`
	Headroom uint64        `json:"headroom"` // zombies
	Grows    bool          `json:"grows"`    // false: nothing comes nearer to it, and the times are 0
	In       time.Duration `json:"in_ns"`
	Lo       time.Duration `json:"in_ns_lo"`
	Hi       time.Duration `json:"in_ns_hi"` // Never: perhaps it is not reached
}
