package parent

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/labtest/machine"
	"zombench/bench/reexec"
	"zombench/measure"
)

// The test binary is the parent program, too.
func TestMain(m *testing.M) {
	reexec.Dispatch(Program())
	os.Exit(machine.Run(m))
}

// started starts a parent that the test ends.
func started(t *testing.T, o Options) *Client {
	t.Helper()
	machine.Shared(t)
	c, err := Start(t.Context(), (*exec.Cmd).Start, o)
	if err != nil {
		if errors.Is(err, unix.EPERM) {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// children returns those of a process by whether they are zombies.
func childrenOf(t *testing.T, pid int) (zombies, living []int) {
	t.Helper()
	all, err := measure.Host().Children(pid)
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range all {
		if p, err := measure.Host().Process(child); err == nil && p.Zombie() {
			zombies = append(zombies, child)
		} else {
			living = append(living, child)
		}
	}
	return zombies, living
}

func must(t *testing.T, c *Client, o Order) Reply {
	t.Helper()
	r, err := c.Must(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What a parent says of its children is what the kernel says.
func TestOrders(t *testing.T) {
	const count = 20
	c := started(t, Options{Parallel: 3})
	if zombies, living := childrenOf(t, c.PID); len(zombies)+len(living) != 0 {
		t.Errorf("a new parent has children: %v and %v", zombies, living)
	}
	before, err := measure.Host().Process(c.PID)
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{Each, Any} {
		r := must(t, c, Order{Do: Raise, Count: count})
		zombies, living := childrenOf(t, c.PID)
		slices.Sort(r.PIDs)
		slices.Sort(zombies)
		if r.Standing != count || r.Gone != 0 || !slices.Equal(r.PIDs, zombies) || len(living) != 0 {
			t.Errorf("raised %+v; zombies %v, living %v", r, zombies, living)
		}
		if r := must(t, c, Order{Do: Collect, How: how}); r.Ended != count {
			t.Errorf("%d of %d collected, %s", r.Ended, count, how)
		}
		if zombies, _ := childrenOf(t, c.PID); len(zombies) != 0 {
			t.Errorf("zombies %v are left, %s", zombies, how)
		}
	}
	if r := must(t, c, Order{Do: Try}); r.Ended != 1 {
		t.Errorf("tried: %+v", r)
	}
	if r := must(t, c, Order{Do: Cycle, Count: 5}); r.Ended != 5 || len(r.PIDs) != 5 {
		t.Errorf("cycled: %+v", r)
	}
	if r := must(t, c, Order{Do: Textbook, How: AnyDead, Count: 2, StepNs: int64(time.Millisecond)}); r.Steps < 0 {
		t.Errorf("textbook: %+v", r)
	}
	if now, err := measure.Host().Process(c.PID); err != nil || now.Threads != before.Threads {
		t.Errorf("the parent has %d threads and had %d (%v)", now.Threads, before.Threads, err)
	}
	for _, o := range []Order{{Do: "dance"}, {Do: Dispose, How: "sometimes"}, {Do: Textbook, How: "backwards", Count: 1, StepNs: 1}} {
		if _, err := c.Must(t.Context(), o); err == nil || !strings.Contains(err.Error(), o.Do) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// Where SIGCHLD is ignored nobody can wait, and there is nothing to wait for.
func TestDispositions(t *testing.T) {
	for how, standing := range map[string]int{Default: 10, Ignore: 0, NoCldWait: 0} {
		c := started(t, Options{})
		must(t, c, Order{Do: Dispose, How: how})
		r := must(t, c, Order{Do: Raise, Count: 10})
		zombies, _ := childrenOf(t, c.PID)
		if r.Standing != standing || r.Standing+r.Gone != 10 || len(zombies) != standing {
			t.Errorf("%s: %+v, zombies %v; want %d", how, r, zombies, standing)
		}
	}
}

// Living children end with Release, and not before.
func TestRelease(t *testing.T) {
	c := started(t, Options{})
	must(t, c, Order{Do: SpawnLiving, Count: 3})
	if zombies, living := childrenOf(t, c.PID); len(zombies) != 0 || len(living) != 3 {
		t.Errorf("zombies %v, living %v; want 3 living", zombies, living)
	}
	c.Release()
	if r := must(t, c, Order{Do: Collect, How: Any}); r.Ended != 3 {
		t.Errorf("%d of 3 collected", r.Ended)
	}
}

// A parent has a parent as its child, whose children come to it if it is a
// subreaper.
func TestSpawnParent(t *testing.T) {
	for _, o := range []Options{{Subreaper: true}, {Pidns: true}} {
		c := started(t, o)
		child, err := c.SpawnParent(t.Context(), Order{})
		if err != nil {
			t.Fatal(err)
		}
		if _, living := childrenOf(t, c.PID); !slices.Equal(living, []int{child.PID}) {
			t.Errorf("%+v: children %v, want %d", o, living, child.PID)
		}
		must(t, child, Order{Do: Raise, Count: 4})
		if err := child.Kill(); err != nil {
			t.Fatal(err)
		}
		if r := must(t, c, Order{Do: Collect, How: Any}); r.Ended != 5 {
			t.Errorf("%+v: %d collected, want 4 and their parent", o, r.Ended)
		}
		// The pipes serve the next one.
		if child, err = c.SpawnParent(t.Context(), Order{}); err != nil {
			t.Fatal(err)
		}
		must(t, child, Order{Do: Try})
		if err := child.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A parent that is killed has ended, to whoever asks.
func TestKilledParent(t *testing.T) {
	c := started(t, Options{})
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err == nil {
		t.Error("a killed parent has ended well")
	}
	if _, err := c.Do(t.Context(), Order{Do: Try}); !errors.Is(err, ErrEnded) {
		t.Errorf("error %v, want %v", err, ErrEnded)
	}
}

// Nobody waits for a reply longer than the context lasts.
func TestReplyThatDoesNotCome(t *testing.T) {
	c := started(t, Options{})
	must(t, c, Order{Do: SpawnLiving, Count: 1})
	collect := Order{Do: Collect, How: Any} // does not return before Release
	if err := c.Send(collect); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(enough)
	if _, err := c.Await(ctx, collect); !errors.Is(err, enough) {
		t.Errorf("error %v, want %v", err, enough)
	}
}

func TestParentThatCannotBe(t *testing.T) {
	for _, args := range [][]string{nil, {"1", "-1"}, {"many"}, {`{"Parallel":1,"UID":"nobody"}`}, {`{"Parallel":1,"UID":-1}`}, {`{"UID":1}`}} {
		if _, err := newParent(args); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
	notThere := errors.New("not there")
	if _, err := Start(t.Context(), func(*exec.Cmd) error { return notThere }, Options{}); !errors.Is(err, notThere) {
		t.Errorf("error %v, want %v", err, notThere)
	}
	_, err := Start(t.Context(), func(cmd *exec.Cmd) error {
		cmd.Args = append(cmd.Args, "too many")
		return cmd.Start()
	}, Options{})
	if !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "parent: ") {
		t.Errorf("error %v, want %v and why", err, ErrEnded)
	}
}
