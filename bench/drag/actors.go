package drag

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"zombench/bench"
	"zombench/measure"
	"zombench/measure/taskscan"
)

// An actor does one thing beside, to or because of an army.
type actor struct {
	name  string
	about string
	needs []bench.Need
	least int           // zombies without which it cannot act: the army of its control
	worst time.Duration // for so long a zombie may hold up every fork on a slow machine

	once  bool // the act takes the army from its parent
	ours  bool // the army's parent has ended, and the actor is this process
	pidns bool // actor and army are in a pid namespace of their own

	// aim finds what the act is done to, before the army is raised.
	aim func(*trial) error
}

// frozen returns for how long an act may hold up every fork on the machine.
func (a actor) frozen(count int) time.Duration { return time.Duration(count) * a.worst }

// What a zombie in a list may cost at most: some four times what was seen on a
// machine of 2025 (Linux 6.18, amd64), where a step over a cold task took 500 to
// 750 ns with a check of permissions, and giving a child away 1.1 µs.
const (
	step    = 2 * time.Microsecond
	adopted = 4 * time.Microsecond
)

// actors returns all of them, the controls last.
func actors() []actor {
	return []actor{
		{name: "parent-exit", about: "the army's parent ends, and a child subreaper gets its zombies (forget_original_parent)", once: true, worst: adopted, aim: aimAtParent},
		{name: "wait-first", about: "the parent waits for one zombie by its pid, the first of its children", least: 1, ours: true, worst: step},
		{name: "wait-last", about: "the parent waits for one zombie by its pid, the last of its children", least: 1, ours: true, worst: step},
		{name: "wait-any", about: "the parent waits for any child", least: 1, ours: true, worst: step},
		{name: "cgroup-procs", about: "reads cgroup.procs of the army's cgroup", worst: step, aim: aimAtProcs},
		{name: "cgroup-tasks", about: "reads tasks of the army's cgroup (version 1)", worst: step, aim: aimAtTasks},
		{name: "cgroup-kill", about: "writes cgroup.kill of a cgroup in which only zombies are", worst: step, aim: aimAtKill},
		{name: "freeze", about: "freezes a cgroup in which only zombies are", worst: step, aim: aimAtFreezer},
		{name: "kill-group", about: "signals the army's process group with signal 0", worst: step, aim: aimAtParent},
		{name: "kill-all", about: "signals all processes with signal 0, inside of a pid namespace", pidns: true, worst: step},
		{name: "priority-user", about: "asks for the priority of a user's processes, as renice does", worst: step},
		{name: "readdir-proc", about: "lists /proc"},
		{name: "ps", about: "runs ps -e", needs: []bench.Need{bench.NeedProgram("ps", "on Debian: apt install procps")}},
		{name: "bpf-iter", about: "walks all tasks by a BPF iterator", needs: []bench.Need{{Name: "BPF", Check: needIterator}}},
		{name: "fork-near-pid-max", about: "forks where few pids are left, which is to cost the same beside any army", pidns: true, needs: []bench.Need{bench.NeedOwnPidMax}},
		{name: "fork", about: "forks beside the army, which is to cost the same beside any"},
		{name: "nothing", about: "does nothing for a millisecond: the noise of this machine"},
	}
}

// aimAtParent: the act is done to zombied. It was started as the leader of a
// process group, to which its children belong.
func aimAtParent(t *trial) error {
	t.toParent = true
	return nil
}

// aimAtProcs: version 2 where there is one.
func aimAtProcs(t *trial) error {
	dir, err := t.join("")
	if errors.Is(err, measure.ErrNotSupported) {
		dir, err = t.Pids().Dir, nil
	}
	t.order.Path = filepath.Join(dir, "cgroup.procs")
	return err
}

func aimAtTasks(t *trial) error {
	t.order.Path = filepath.Join(t.Pids().Dir, "tasks")
	return exists(t.order.Path, "version 1 of cgroups has it")
}

func aimAtKill(t *trial) error {
	dir, err := t.join("")
	if err != nil {
		return err
	}
	t.alone = true
	t.order.Path, t.order.Do = filepath.Join(dir, "cgroup.kill"), "1"
	return exists(t.order.Path, "Linux 5.14 has it")
}

// aimAtFreezer: version 2 where there is one.
func aimAtFreezer(t *trial) error {
	t.alone = true
	t.order.Do, t.order.Undo = "1", "0"
	dir, err := t.join("")
	if err == nil { // cgroup.freeze: Linux 5.2
		t.order.Path = filepath.Join(dir, "cgroup.freeze")
		return nil
	}
	if dir, err = t.join("freezer"); err != nil {
		return err
	}
	t.order.Path = filepath.Join(dir, "freezer.state")
	t.order.Do, t.order.Undo = "FROZEN", "THAWED"
	return nil
}

func exists(path, who string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%w: %w; %s", measure.ErrNotSupported, err, who)
	}
	return nil
}

func needIterator(*bench.Host) error {
	tasks, err := taskscan.NewWalker()
	if err != nil {
		return err
	}
	return tasks.Close()
}
