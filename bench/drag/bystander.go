package drag

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"zombench/bench/coproc"
	"zombench/bench/cpus"
	"zombench/bench/reexec"
)

// What the two bystanders do.
const (
	fork  = "fork"  // clone, exit and wait
	sleep = "sleep" // for a nap, then look at the clock
)

// nap is for how long the second one means to sleep.
const nap = 50 * time.Microsecond

// A watch is when the turns of both bystanders ended.
type watch struct{ fork, sleep ticks }

// bystanders are a coprocess with a thread for each of them.
type bystanders struct{ *coproc.Process }

// startBystanders starts them on a CPU, outside of any trial's cgroup, and
// returns when both are at work, with what they have to do without, "" if nothing.
// They end with this process.
func startBystanders(ctx context.Context, cpu int) (b bystanders, without string, err error) {
	cmd := reexec.Command(bystanderName, strconv.Itoa(cpu))
	// The runtime would let as many goroutines run at a time as it has CPUs: one.
	cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1", "GOMAXPROCS=4")
	b.Process, err = coproc.Start(ctx, (*exec.Cmd).Start, cmd)
	if err == nil {
		without = strings.TrimSpace(strings.TrimPrefix(b.Ready, begin))
	}
	return b, without, err
}

// stop ends them and returns what they saw.
func (b bystanders) stop() (w watch, err error) {
	b.End()
	for _, t := range []*ticks{&w.fork, &w.sleep} {
		var n uint64
		if err == nil {
			err = binary.Read(b.Output, binary.NativeEndian, &n)
		}
		if err == nil && n > mostTicks {
			err = fmt.Errorf("%d turns of at most %d", n, mostTicks)
		}
		if err == nil {
			*t = make(ticks, n)
			err = binary.Read(b.Output, binary.NativeEndian, *t)
		}
	}
	if closeErr := b.Close(); closeErr != nil {
		err = closeErr
	}
	if err != nil {
		err = fmt.Errorf("reading what the bystanders saw: %w", err)
	}
	return w, err
}

// mostTicks is how many turns a bystander can note: some three minutes of them.
const mostTicks = 1 << 22

// bystanderName is the argument zero of the bystanders. Their argument is a CPU;
// they print a line when they have begun, with what they have to do without, and
// when their standard input ends, how many turns each took and when.
const bystanderName = "zombench-drag-bystander"

func bystanderProgram() reexec.Program {
	return reexec.Program{Name: bystanderName, Main: reexec.Reporting("standing by", 1, standBy)}
}

// begin is the second argument of bystanders that have been given their CPU.
const begin = "begin"

func standBy(args []string) error {
	if len(args) == 0 {
		return errors.New("want a CPU")
	}
	cpu, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("want a CPU, got %q", args[0])
	}
	if len(args) == 1 {
		return prefer(cpu)
	}
	debug.SetGCPercent(-1)
	var over atomic.Bool
	var begun, done sync.WaitGroup
	records := make([][]int64, 2)
	errs := make([]error, 2)
	for i, turn := range []func() error{breed, func() error { return rest(nap) }} {
		if records[i], err = record(); err != nil {
			return err
		}
		begun.Add(1)
		done.Go(func() {
			records[i], errs[i] = takeTurns(turn, i == 1, records[i], &over, begun.Done)
		})
	}
	begun.Wait()
	fmt.Println(strings.Join(args[1:], " "))
	_, _ = io.Copy(io.Discard, os.Stdin) // until it ends
	over.Store(true)
	done.Wait()
	for i, r := range records {
		if errs[i] != nil {
			return errs[i]
		}
		if err := binary.Write(os.Stdout, binary.NativeEndian, uint64(len(r))); err != nil {
			return err
		}
		if err := binary.Write(os.Stdout, binary.NativeEndian, r); err != nil {
			return err
		}
	}
	return nil
}

// prefer starts this program anew, with all threads that it will have on one CPU
// and in front of whoever else wants it: they are not what is measured here. The
// runtime's own threads are too, since it hands even a locked goroutine from one
// to the other every 10 ms.
func prefer(cpu int) error {
	runtime.LockOSThread() // execve keeps what the calling thread has
	if err := cpus.Keep(0, cpu); err != nil {
		return err
	}
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // ns; 50 µs otherwise
	argv := []string{bystanderName, strconv.Itoa(cpu), begin}
	if err := realTime(forkPriority); err != nil {
		argv = append(argv, "without real-time priority:", err.Error())
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, -20)
	}
	return fmt.Errorf("becoming bystanders: %w", syscall.Exec("/proc/self/exe", argv, os.Environ()))
}

// The one that sleeps may interrupt the one that forks.
const (
	forkPriority  = 1
	sleepPriority = 2
)

// realTime gives the calling thread a real-time priority, and those that it makes.
func realTime(priority uint32) error {
	return unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: priority}, 0)
}

// record makes room for ticks, in memory that is there from the start.
func record() ([]int64, error) {
	const size = int(unsafe.Sizeof(int64(0)))
	mem, err := unix.Mmap(-1, 0, mostTicks*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("making room for a record: %w", err)
	}
	return unsafe.Slice((*int64)(unsafe.Pointer(&mem[0])), mostTicks)[:0], nil
}

// takeTurns takes turn after turn and notes when each has ended: one before it has
// begun, and one more when all is over.
func takeTurns(turn func() error, first bool, r []int64, over *atomic.Bool, begun func()) (_ []int64, err error) {
	runtime.LockOSThread()
	if first {
		_ = realTime(sleepPriority) // as the process, or not at all
	}
	for last := false; err == nil && !last && len(r) < cap(r); {
		last = over.Load()
		err = turn()
		r = append(r, now())
		if len(r) == 1 {
			begun()
		}
	}
	return r, err
}

// breath is what the one that forks leaves to others on its CPU in each turn: who
// takes all of it in real time is throttled (sched_rt_runtime_us).
const breath = 20 * time.Microsecond

func breed() error {
	if err := rest(breath); err != nil {
		return err
	}
	return cloneExitWait()
}

// rest sleeps past the runtime, which would let others run meanwhile.
func rest(d time.Duration) error {
	ts := unix.NsecToTimespec(int64(d))
	unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0) // a signal may shorten it
	return nil
}
