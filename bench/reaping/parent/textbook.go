package parent

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/wait"
)

// A Clock is time as WaitInOrder needs it, to be replaced in tests.
type Clock interface {
	Now() time.Time
	// Sleep returns d later. settled reports whether the waiting parent has done
	// all it can, so that a clock that is not real need not run ahead of it.
	Sleep(d time.Duration, settled func() bool)
}

type systemClock struct{}

func (systemClock) Now() time.Time                       { return time.Now() }
func (systemClock) Sleep(d time.Duration, _ func() bool) { time.Sleep(d) }

// Orders of waiting.
const (
	Fixed   = "fixed" // each child in the order of their start, as textbooks do
	AnyDead = "any"   // whichever is dead
)

// WaitInOrder is the textbook program on zombies: of n children, child i (from
// 0) lives for n-i steps, so the last one started dies first, and the parent waits
// for them in an order. It returns how long children were dead and not
// collected, summed over all of them, in steps: waiting in the order of start
// keeps child i a zombie for i steps, n(n-1)/2 in all.
//
// A child is cat(1) on a pipe, and its life ends when the pipe is closed: the
// clock is the only one that tells time here. Another thread than the one that
// waits sees it die.
func WaitInOrder(clock Clock, order string, n int, step time.Duration) (zombieSteps float64, err error) {
	if n < 1 || step <= 0 || order != Fixed && order != AnyDead {
		return 0, fmt.Errorf("%d children, a step of %v, order %q: want 1 or more, a time, %s or %s", n, step, order, Fixed, AnyDead)
	}
	b, err := newChildren(n)
	if err != nil {
		return 0, err
	}
	start := clock.Now()
	waited := make(chan error, 1)
	go func() { waited <- b.wait(clock, order) }()
	for k := 1; k <= n; k++ {
		clock.Sleep(start.Add(time.Duration(k)*step).Sub(clock.Now()), func() bool { return b.settled(order) })
		b.end(clock, n-k) // lives for n-(n-k) = k steps
	}
	if err := <-waited; err != nil {
		return 0, fmt.Errorf("waiting for the children: %w", err)
	}
	var total time.Duration
	for _, c := range b.list {
		if c.died.Before(c.collected) { // else it was collected before the other thread saw it dead
			total += c.collected.Sub(c.died)
		}
	}
	return total.Seconds() / step.Seconds(), nil
}

// children are those of the textbook program, in a process group of their
// own: whoever else is a child of this process is left alone.
type children struct {
	group int

	mu   sync.Mutex
	list []*child
}

type child struct {
	pid             int
	life            *os.File // cat reads from the other end
	died, collected time.Time
}

func newChildren(n int) (_ *children, err error) {
	cat, err := exec.LookPath("cat")
	if err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	b := &children{}
	defer func() {
		if err != nil {
			for _, c := range b.list {
				c.life.Close()
				_ = waitid(unix.P_PID, c.pid, unix.WEXITED)
			}
		}
	}()
	for range n {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		pid, err := syscall.ForkExec(cat, []string{"cat"}, &syscall.ProcAttr{
			Files: []uintptr{r.Fd(), null.Fd(), null.Fd()},
			Sys:   &syscall.SysProcAttr{Setpgid: true, Pgid: b.group},
		})
		r.Close()
		if err != nil {
			w.Close()
			return nil, err
		}
		if b.group == 0 {
			b.group = pid
		}
		b.list = append(b.list, &child{pid: pid, life: w})
	}
	return b, nil
}

// end ends a child's life and returns when it is dead.
func (b *children) end(clock Clock, i int) {
	c := b.list[i]
	c.life.Close()
	// ECHILD: the waiting thread was faster.
	_ = waitid(unix.P_PID, c.pid, unix.WEXITED|unix.WNOWAIT)
	b.mu.Lock()
	defer b.mu.Unlock()
	c.died = clock.Now()
}

// wait collects the children in an order.
func (b *children) wait(clock Clock, order string) error {
	for _, c := range b.list {
		kind, id := unix.P_PID, c.pid
		if order == AnyDead {
			kind, id = unix.P_PGID, b.group
		}
		dead, err := wait.ID(kind, id, unix.WEXITED)
		if err != nil {
			return err
		}
		b.collected(dead.PID, clock.Now())
	}
	return nil
}

func (b *children) collected(pid int, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.list {
		if c.pid == pid {
			c.collected = at
		}
	}
}

// settled reports whether the parent has collected every child that it can, the
// order being what it is.
func (b *children) settled(order string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.list {
		switch {
		case !c.collected.IsZero():
		case !c.died.IsZero():
			return false
		case order == Fixed:
			return true // it waits for this one, who lives
		}
	}
	return true
}
