package looks

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"zombench/measure/kmemtrace"
	"zombench/results"
)

// made is a tracker of a made-up kernel, whose functions have 16 bytes each.
func made(names map[int32]string, ours ...int32) *Tracker {
	t := &Tracker{names: names, known: make(map[string]*known), ours: make(map[int32]bool), functions: []kmemtrace.Range{
		{Name: allocInode, From: 0x10, To: 0x20}, {Name: allocDentry, From: 0x20, To: 0x30}, {Name: allocBlob[0], From: 0x30, To: 0x40},
	}}
	for _, pid := range ours {
		t.ours[pid] = true
	}
	t.clear()
	return t
}

// walk is one look of a process at n files.
func walk(pid int32, at time.Duration, n int, ptr uint64) (events []kmemtrace.Event) {
	for i := range n {
		e := kmemtrace.Event{Kind: kmemtrace.Alloc, Task: pid, Process: pid, Time: uint64(at) + uint64(i)}
		for j, o := range []struct{ site, bytes uint64 }{{0x28, 192}, {0x18, 696}, {0x38, 32}} {
			e.CallSite, e.Allocated, e.Ptr = o.site, o.bytes, ptr+uint64(4*i+j)
			events = append(events, e)
		}
	}
	return events
}

func TestWatchers(t *testing.T) {
	tracker := made(map[int32]string{10: "top", 20: "ps", 21: "ps", 22: "ps", 30: "init", 40: "zombench", 41: "zombied"}, 40)
	for i := range int32(70) {
		tracker.names[50+i] = "go"
	}
	var events []kmemtrace.Event
	for i := range 5 {
		events = append(events, walk(10, time.Duration(i+1)*time.Second, 64, uint64(i+1)<<20)...)
	}
	for i := range 3 { // a program that is started anew for each look
		events = append(events, kmemtrace.Event{Kind: kmemtrace.Fork, Task: 30, Process: 30, Child: int32(20 + i)})
		events = append(events, walk(int32(20+i), time.Duration(i+1)*2*time.Second, 64, uint64(i+10)<<20)...)
	}
	events = append(events, walk(30, 0, 5, 30<<20)...) // looks at itself
	events = append(events, walk(40, 0, 64, 40<<20)...)
	events = append(events, kmemtrace.Event{Kind: kmemtrace.Fork, Task: 40, Process: 40, Child: 41})
	events = append(events, walk(41, 0, 64, 41<<20)...)
	events = append(events, kmemtrace.Event{Kind: kmemtrace.Alloc, Task: 10, Process: 10, CallSite: 0x28, Ptr: 5, Allocated: 192}) // of no inode
	for i := range 70 {                                                                                                            // many that look at themselves
		events = append(events, walk(int32(50+i), 0, 1, uint64(50+i)<<20)...)
	}
	events = append(events, kmemtrace.Event{Kind: kmemtrace.Free, Ptr: 1<<20 + 1}, kmemtrace.Event{Kind: kmemtrace.Free, Ptr: 999})
	for _, e := range events {
		tracker.take(e)
	}
	got, err := tracker.Watchers(32)
	want := []results.Watcher{
		{Command: "top", PID: 10, Processes: 1, Looks: 5, Every: time.Second, Objects: 5*64*3 - 2, Bytes: 5*64*(192+696+32) - 696 - 32},
		{Command: "ps", Processes: 3, Looks: 3, Every: 2 * time.Second, Objects: 3 * 64 * 3, Bytes: 3 * 64 * (192 + 696 + 32)},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if made, ok := tracker.Made(); made != 8*64+5+70 || !ok {
		t.Errorf("others made %d inodes, %v, want %d", made, ok, 8*64+5+70)
	}
	if who := tracker.Forkers(); !slices.Equal(who, []string{"init (pid 30)"}) {
		t.Errorf("%q forked, want init alone", who)
	}
	tracker.clear()
	if got, err := tracker.Watchers(1); len(got) > 0 || err != nil || len(tracker.Forkers()) > 0 {
		t.Errorf("what was forgotten is known: %v, %v", got, err)
	}
}
