package bench

import (
	"context"
	"fmt"

	"zombench/bench/reexec"
	"zombench/results"
)

// An Experiment is a family of benchmarks that answer one question. It says
// what can be asked of it (Fields) and what trials that makes (Setups); when
// they run, where, and what becomes of the readings is the Runner's affair.
type Experiment struct {
	Name     string           // as a user writes it: zombench run NAME
	Asks     string           // the question, in one line
	Units    []results.Unit   // of its values
	Fields   []Field          // what a user may set
	Samples  int              // trials of each setup unless the user says otherwise
	Zombied  bool             // its trials start the daemon
	Programs []reexec.Program // what this executable has to become for it

	// Setups returns the benchmarks by the fields as they are set now. A value
	// that makes no sense is a *FieldError.
	Setups func() ([]Setup, error)
}

// A Setup is one benchmark: a point in the space that an experiment spans.
type Setup struct {
	Bench   string // without the word Benchmark
	Params  []results.Param
	About   string // what it measures, in a phrase
	Control bool   // the same trial without what the experiment is about
	Group   string // a control runs if any other setup of its group does
	Needs   []Need // what it cannot run without
	Army    Army   // what it asks of the limits
	Times   int    // trials in a round; 0 means 1
	Last    bool   // runs behind all others, which it would disturb

	// Run runs one trial. Brokenf tells of an invariant that does not hold, and
	// measure.ErrNotSupported or measure.ErrNotPermitted of something that this
	// machine cannot do; any other error ends the run.
	Run func(ctx context.Context, s *Site) error
}

// Name is the benchmark's full name, such as
// Zombies/count=1000/parallel=50/spawn=exec.
func (s Setup) Name() string { return results.Trial{Bench: s.Bench, Params: s.Params}.Name() }

// An Army is what a trial asks of the machine's limits.
type Army struct {
	Zombies     int    // children that are there at the same time, dead or alive; the benchmark's iterations
	Tasks       int    // besides them, such as their parent
	Descriptors int    // open files of the parent
	Spawn       string // zombied's way of spawning; "" if none of zombied's
	Optional    bool   // where it does not fit it is left out, with a notice
}

// executes reports whether zombied's children execute a program.
func (a Army) executes() bool { return a.Spawn != "" && a.Spawn != "clone" }

// A FieldError names the field of an experiment whose value makes no sense.
type FieldError struct {
	Field string
	Err   error
}

func (e *FieldError) Error() string { return fmt.Sprintf("%s: %v", e.Field, e.Err) }
func (e *FieldError) Unwrap() error { return e.Err }

// FieldErrorf makes a FieldError.
func FieldErrorf(field, format string, args ...any) error {
	return &FieldError{field, fmt.Errorf(format, args...)}
}

// AtLeastOne reports that a field's list is empty, of things that are called so.
func AtLeastOne[T any](field string, list []T, thing string) error {
	if len(list) == 0 {
		return FieldErrorf(field, "the list is empty; give at least one %s", thing)
	}
	return nil
}

// MaxParallel is the largest number of spawner threads that zombied takes.
const MaxParallel = 1024

// MaxZombies is the largest army that there can be: the largest kernel.pid_max
// (PID_MAX_LIMIT, include/linux/threads.h; 64 bit).
const MaxZombies = 1 << 22
