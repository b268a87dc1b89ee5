package watchers

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"zombench/bench/labtest"
	"zombench/measure/kmemtrace"
	"zombench/results"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// The functions of a made-up kernel, by return address.
func caller(address uint64) string {
	return map[uint64]string{1: allocInode, 2: allocDentry, 3: "lsm_inode_alloc", 4: "copy_process"}[address]
}

// walk is one look of a process at n zombies.
func walk(task int32, at time.Duration, n int, ptr uint64) (events []kmemtrace.Event) {
	for i := range n {
		e := kmemtrace.Event{Kind: kmemtrace.Alloc, Task: task, Process: task, Time: uint64(at) + uint64(i)}
		for site, bytes := range map[uint64]uint64{2: 192} {
			e.CallSite, e.Allocated, e.Ptr = site, bytes, ptr+uint64(4*i)
			events = append(events, e)
		}
		e.CallSite, e.Allocated, e.Ptr = 1, 696, ptr+uint64(4*i+1)
		events = append(events, e)
		e.CallSite, e.Allocated, e.Ptr = 3, 32, ptr+uint64(4*i+2)
		events = append(events, e)
		e.CallSite, e.Allocated, e.Ptr = 4, 5888, ptr+uint64(4*i+3) // not of a look
		events = append(events, e)
	}
	return events
}

func TestFind(t *testing.T) {
	var events []kmemtrace.Event
	for i := range 5 {
		events = append(events, walk(10, time.Duration(i)*time.Second, 64, uint64(i+1)<<20)...)
	}
	for i := range 3 { // a program that is started anew for each look
		events = append(events, walk(int32(20+i), time.Duration(i)*2*time.Second, 64, uint64(i+10)<<20)...)
	}
	events = append(events, walk(30, 0, 5, 30<<20)...)  // looks at itself
	events = append(events, walk(40, 0, 64, 40<<20)...) // this very program
	events = append(events, kmemtrace.Event{Kind: kmemtrace.Free, Ptr: 1<<20 + 1}, kmemtrace.Event{Kind: kmemtrace.Free, Ptr: 999})
	command := func(task int32) string {
		if task/10 == 2 {
			return "ps"
		}
		return fmt.Sprint("program", task)
	}
	got := find(events, 32, caller, command, func(pid int32) bool { return pid == 40 })
	want := []results.Watcher{
		{Command: "program10", PID: 10, Processes: 1, Looks: 5, Every: time.Second, Objects: 5*64*3 - 1, Bytes: 5*64*(192+696+32) - 696},
		{Command: "ps", Processes: 3, Looks: 3, Every: 2 * time.Second, Objects: 3 * 64 * 3, Bytes: 3 * 64 * (192 + 696 + 32)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A process that walks /proc is named, and nobody else is: the same trial without
// it must not find it.
func TestAWatcherIsNamed(t *testing.T) {
	e := labtest.Set(t, Experiment(), map[string]string{"watch": "3s"})
	named := func(command string) (found *results.Watcher) {
		for _, trial := range labtest.Trials(t, e, "") {
			if trial.Broken != "" {
				t.Fatalf("broken: %s", trial.Broken)
			}
			for _, w := range trial.Watchers {
				t.Logf("%+v", w)
				if w.Command == command {
					found = &w
				}
			}
		}
		return found
	}
	if w := named("zombench-look"); w != nil {
		t.Errorf("found %+v, and it does not run", w)
	}
	// One process without children, which killing it would leave to us.
	script := `$0 = "zombench-look"; while (kill 0, $ARGV[0]) { for (glob "/proc/[0-9]*/stat") { open my $f, "<", $_ or next; <$f> } select undef, undef, undef, 0.4 }`
	cmd := exec.Command("perl", "-e", script, fmt.Sprint(os.Getpid()))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	// Another watcher of the host may be first at some zombies, and what it left
	// there is found, not made, by the next.
	var w *results.Watcher
	for i := 0; i < 3 && w == nil; i++ {
		w = named("zombench-look")
	}
	if w == nil {
		t.Fatal("it walks /proc twice a second and is not named")
	}
	if w.PID != uint64(cmd.Process.Pid) || w.Looks < 1 || w.Objects == 0 || w.Bytes < 300*w.Objects/2 {
		t.Errorf("%+v, want pid %d, some looks and what they left", *w, cmd.Process.Pid)
	}
}
