package procs

import (
	"testing"

	"zombench/measure/measuretest"
)

// A cgroup counts once, however many zombies are in it, and only if it was
// removed.
func TestRemovedCgroups(t *testing.T) {
	zombie := func(pid, parent int, cgroup string) measuretest.Task {
		return measuretest.Task{PID: pid, PPid: parent, Name: "z", State: 'Z', Cgroup: cgroup}
	}
	r := scan(t, []measuretest.Task{
		{PID: 600, PPid: 400, Name: "p", State: 'S', Cgroup: "/a"},
		{PID: 610, PPid: 400, Name: "q", State: 'S', Cgroup: "/a"},
		zombie(601, 600, "/a/x (deleted)"), zombie(602, 600, "/a/x (deleted)"), zombie(603, 600, "/a/y (deleted)"), zombie(604, 600, "/a"),
		zombie(611, 610, "/a"), zombie(612, 610, "/a/deleted"),
	}, nil)
	got := make(map[int]int)
	for _, p := range r.Parents {
		got[p.PID] = p.Removed
	}
	if got[600] != 2 || got[610] != 0 || len(got) != 2 {
		t.Errorf("removed cgroups by parent: %v, want 2 of 600 and none of 610", got)
	}
}
