package reaping

import (
	"context"
	"fmt"
	"time"

	"zombench/bench"
	"zombench/bench/reaping/parent"
)

// A trial is a setup at work.
type trial struct {
	*bench.Steps
	count   int // zombies, or children
	control bool
}

// start starts a parent in the trial's cgroup. It ends with the trial.
func (t *trial) start(o parent.Options) *parent.Client {
	p := new(parent.Client)
	t.Step(func() error {
		t.Doing("starting a parent")
		started, err := parent.Start(t.Ctx, t.Start, o)
		if err != nil {
			return err
		}
		p = started
		t.Cleanup(func(context.Context) error {
			err := p.Close()
			if t.Result.Broken != "" {
				return nil // that it ended badly broke the trial
			}
			return err
		})
		return nil
	})
	return p
}

// spawn has a parent start another one as its child.
func (t *trial) spawn(pt *parent.Client, o parent.Order) *parent.Client {
	p := new(parent.Client)
	t.Step(func() error {
		spawned, err := pt.SpawnParent(t.Ctx, o)
		if err == nil {
			p = spawned
		}
		return err
	})
	return p
}

// order gives a parent an order, which has to succeed.
func (t *trial) order(pt *parent.Client, o parent.Order) (r parent.Reply) {
	t.Step(func() (err error) { r, err = pt.Must(t.Ctx, o); return err })
	return r
}

// ask gives a parent an order that may fail, as the reply says.
func (t *trial) ask(pt *parent.Client, o parent.Order) (r parent.Reply) {
	t.Step(func() (err error) { r, err = pt.Do(t.Ctx, o); return err })
	return r
}

// raise has a parent raise an army, all of it.
func (t *trial) raise(pt *parent.Client, count int) parent.Reply {
	t.Doing("raising")
	r := t.ask(pt, parent.Order{Do: parent.Raise, Count: count})
	t.Check(r.Standing == count, "%d of %d zombies were raised: %s", r.Standing, count, r.Error)
	return r
}

// The orders that have a parent wait for its children: each by its pid, or any until
// none is left.
var (
	collectEach = parent.Order{Do: parent.Collect, How: parent.Each}
	collectAny  = parent.Order{Do: parent.Collect, How: parent.Any}
)

// checkCollected takes a parent's reply to such an order and checks it.
func (t *trial) checkCollected(pt *parent.Client, order parent.Order, want int) {
	var r parent.Reply
	t.Step(func() (err error) { r, err = pt.Await(t.Ctx, order); return err })
	t.Check(r.Ended == want, "%d children were collected, want %d", r.Ended, want)
}

// awaitDead waits until a parent is a zombie, with all of its threads: a main
// thread that has ended looks like one before its children are given away by
// the last of the others.
func (t *trial) awaitDead(pt *parent.Client) {
	t.Step(func() error {
		return t.Await(t.Ctx, fmt.Sprintf("the death of process %d", pt.PID), 50*time.Microsecond, func() (bool, error) {
			p, err := t.Lab.FS.Process(pt.PID)
			return p.Zombie(), err
		})
	})
}

// children are those of a process.
type children struct{ dead, living int }

func (c children) String() string {
	return fmt.Sprintf("%d dead and %d living children", c.dead, c.living)
}

// childrenOf counts the children of a process by whether they are zombies.
func (t *trial) childrenOf(pid int) (c children) {
	t.Step(func() error {
		all, err := t.Lab.FS.Children(pid)
		if err != nil {
			return err
		}
		for _, child := range all {
			p, err := t.Lab.FS.Process(child)
			switch {
			case err != nil:
				return err
			case p.Zombie():
				c.dead++
			default:
				c.living++
			}
		}
		return nil
	})
	return c
}
