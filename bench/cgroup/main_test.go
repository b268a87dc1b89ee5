package cgroup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/labtest/machine"
	"zombench/bench/reexec"
	"zombench/measure"
)

// Orphans of our crashed children come to us; each test collects its own.
func TestMain(m *testing.M) {
	reexec.Dispatch(part("member", member), part("mother", mother), part("crasher", crasher), part("tenant", tenant))
	os.Exit(machine.Run(m))
}

// part is another process that the test binary plays; play returns what went
// wrong.
func part(name string, play func() error) reexec.Program {
	return reexec.Program{Name: name, Main: func([]string) int {
		if err := play(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}}
}

// member tells that it lives, and lives until its stdin ends.
func member() error {
	fmt.Println(`{}`)
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// mother has a zombie more for every byte of its stdin, and tells of each. She
// reaps them when it ends.
func mother() error {
	fmt.Println(`{}`)
	for order := make([]byte, 1); ; {
		if _, err := os.Stdin.Read(order); err != nil {
			for err = nil; err == nil; {
				_, err = syscall.Wait4(-1, nil, 0, nil)
			}
			return nil
		}
		pid, err := syscall.ForkExec("/bin/true", []string{"true"}, nil)
		if err != nil {
			return err
		}
		if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
			return err
		}
		fmt.Println(`{}`)
	}
}

// story is what a part tells of itself.
type story struct {
	Kind    string
	Dirs    []string // of its cgroup
	Parents []Parent
	PID     int // of its child
	Inside  string
	After   string
}

// crasher starts a member in a cgroup of its own and waits to be killed.
func crasher() error {
	place, err := Find(measure.Host())
	if err != nil {
		return err
	}
	c, err := place.Fresh("crashed")
	if err != nil {
		return err
	}
	child := reexec.Command("member")
	in, err := child.StdinPipe()
	if err != nil {
		return err
	}
	defer in.Close()
	// The member is to outlive us: it gets an end of the pipe that keeps it from
	// seeing our end.
	child.ExtraFiles = []*os.File{in.(*os.File)}
	if err := c.Start(child); err != nil {
		return err
	}
	s := story{Kind: place.Kind(), Parents: place.Parents(), Dirs: c.Dirs(), PID: child.Process.Pid}
	if err := json.NewEncoder(os.Stdout).Encode(s); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// tenant does all that a run does in the cgroup that it was started in.
func tenant() error {
	place, err := Find(measure.Host())
	if err != nil {
		var kind string
		switch {
		case errors.Is(err, measure.ErrNotPermitted):
			kind = "not permitted"
		case errors.Is(err, measure.ErrNotSupported):
			kind = "not supported"
		}
		return json.NewEncoder(os.Stdout).Encode(story{Kind: kind, After: err.Error()})
	}
	s := story{Kind: place.Kind(), Parents: place.Parents()}
	err = func() error {
		c, err := place.Fresh("trial")
		if err != nil {
			return err
		}
		s.Dirs = c.Dirs()
		child := exec.Command("/bin/true")
		if err := c.Start(child); err != nil {
			return errors.Join(err, c.Remove(context.Background()))
		}
		if err := child.Wait(); err != nil {
			return errors.Join(err, c.Remove(context.Background()))
		}
		b, err := os.ReadFile("/proc/self/cgroup")
		s.Inside = string(b)
		return errors.Join(err, c.Remove(context.Background()))
	}()
	if err := errors.Join(err, place.Close()); err != nil {
		return err
	}
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return err
	}
	s.After = string(b)
	return json.NewEncoder(os.Stdout).Encode(s)
}

// realPlace finds the place of this test process, or skips the test. No run of
// another test may clear up there meanwhile.
func realPlace(t *testing.T) *Place {
	t.Helper()
	machine.Shared(t)
	p, err := Find(measure.Host())
	if errors.Is(err, measure.ErrNotPermitted) || errors.Is(err, measure.ErrNotSupported) {
		t.Skip("needs cgroups: ", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// fresh makes a cgroup that is removed when the test ends.
func fresh(t *testing.T, p *Place) *Cgroup {
	t.Helper()
	c, err := p.Fresh("test-" + strings.ReplaceAll(t.Name(), "/", "-"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := c.Remove(ctx); err != nil {
			t.Error(err)
		}
	})
	return c
}

// actor is a part that plays.
type actor struct {
	*exec.Cmd
	story
	order func() // has it do the next thing, and waits until it tells of it
	stop  func() // ends its stdin and waits for it
}

// play starts a part by the given function and waits for what it tells.
func play(t *testing.T, start func(*exec.Cmd) error, part string, change ...func(*exec.Cmd)) *actor {
	t.Helper()
	machine.Shared(t)
	a := &actor{Cmd: reexec.Command(part)}
	a.Stderr = os.Stderr
	for _, c := range change {
		c(a.Cmd)
	}
	in, err := a.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := a.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := start(a.Cmd); err != nil {
		t.Fatal(err)
	}
	stopped := false
	a.stop = func() {
		if !stopped {
			stopped = true
			in.Close()
			_ = a.Wait()
		}
	}
	t.Cleanup(a.stop)
	told := json.NewDecoder(out)
	hear := func() {
		t.Helper()
		if err := told.Decode(&a.story); err != nil {
			t.Fatalf("%s tells nothing: %v", part, err)
		}
	}
	a.order = func() {
		t.Helper()
		if _, err := in.Write([]byte{'\n'}); err != nil {
			t.Fatal(err)
		}
		hear()
	}
	hear()
	return a
}

func plainly(cmd *exec.Cmd) error { return cmd.Start() }

func asNobody(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

// expired returns a context that has ended: one try only.
func expired() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// tasksIn returns the threads of this process that are in a cgroup of the name.
func tasksIn(t *testing.T, name string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/cgroup")
	if err != nil || len(files) == 0 {
		t.Fatalf("no threads: %v", err)
	}
	var in []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil && strings.Contains(string(b), name) { // an error: the thread has ended
			in = append(in, filepath.Base(filepath.Dir(f)))
		}
	}
	slices.Sort(in)
	return in
}

// exists reports whether a directory is there.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
