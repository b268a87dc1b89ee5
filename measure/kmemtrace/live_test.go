package kmemtrace

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"zombench/measure"
)

// A pipe is allocated by whoever makes it, and freed when it is closed.
func TestTraceOfThisKernel(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	trace, err := Start(measure.Host())
	if errors.Is(err, measure.ErrNotSupported) || errors.Is(err, measure.ErrNotPermitted) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer trace.Close()
	var fds [2]int
	if err := unix.Pipe(fds[:]); err != nil {
		t.Fatal(err)
	}
	open, err := trace.Take()
	if errors.Is(err, ErrLost) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fds[0])
	unix.Close(fds[1])
	closed, err := trace.Take()
	if errors.Is(err, ErrLost) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}

	me := int32(unix.Gettid())
	mine := make(map[uint64]Event)
	var last uint64
	for _, e := range open {
		if e.Time < last {
			t.Fatal("events are not in order of time")
		}
		last = e.Time
		switch {
		case e.Kind == Alloc && e.Task == me:
			mine[e.Ptr] = e
		case e.Kind == Free:
			delete(mine, e.Ptr)
		}
	}
	if len(mine) == 0 {
		t.Fatal("a pipe costs nothing")
	}
	freed := 0
	for _, e := range closed {
		if was, ok := mine[e.Ptr]; ok && e.Kind == Free {
			if was.Requested == 0 || was.Allocated < was.Requested || was.CallSite == 0 {
				t.Errorf("freed %+v", was)
			}
			freed++
		}
	}
	// The pipe's own structure and its buffers are freed at once, inodes and
	// files later.
	if freed < 2 {
		t.Errorf("%d of %d objects of a pipe were seen to be freed", freed, len(mine))
	}
}

func TestNoTracefs(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may mount tracefs")
	}
	if _, err := Start(measure.FS{Sys: t.TempDir()}); !errors.Is(err, measure.ErrNotPermitted) && !errors.Is(err, measure.ErrNotSupported) {
		t.Errorf("an ordinary user: %v", err)
	}
}

// Of all that happens only what was asked for is recorded: that this process looks
// at itself, and not its pipes.
func TestOnlySomeEvents(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const inode = "proc_alloc_inode" // fs/proc/inode.c
	looks, err := FindFunctions(measure.Host(), inode)
	if err != nil || len(looks) != 1 {
		t.Skipf("%s: %v, %v", inode, looks, err)
	}
	trace, err := StartOnly(measure.Host(), Only{By: looks, Of: []string{"proc_inode_cache"}})
	if errors.Is(err, measure.ErrNotSupported) || errors.Is(err, measure.ErrNotPermitted) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer trace.Close()
	var fds [2]int
	if err := unix.Pipe(fds[:]); err != nil {
		t.Fatal(err)
	}
	unix.Close(fds[0])
	unix.Close(fds[1])
	child, err := os.StartProcess("/proc/self/exe", []string{"none", "-test.run=^$"}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = os.ReadFile(fmt.Sprintf("/proc/%d/stat", child.Pid))
	_, _ = child.Wait()
	events, err := trace.Take()
	if err != nil {
		t.Fatal(err)
	}
	inodes, forks := 0, 0
	for _, e := range events {
		switch {
		case e.Kind == Fork && e.Process == int32(os.Getpid()):
			forks++
		case e.Kind == Alloc && !looks[0].Calls(e.CallSite), e.Kind == Free && e.Cache != "proc_inode_cache":
			t.Fatalf("%+v was not asked for", e)
		case e.Kind == Alloc && e.Process == int32(os.Getpid()):
			inodes++
		}
	}
	if inodes == 0 || forks == 0 {
		t.Errorf("%d inodes and %d forks of this process, want that of the file and one child at least", inodes, forks)
	}
}
