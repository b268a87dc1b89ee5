package measure

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zombench/measure/measuretest"
)

// A zombie of Linux 7.3.
func TestProcessOfKernel(t *testing.T) {
	fs := FS{Proc: t.TempDir()}
	measuretest.Put(t, fs.Proc, map[string]string{
		"291/stat": string(testdata(t, "amd64-7.3", "zombie", "stat")),
		"stat":     "btime 1000000000\n",
		"292/stat": "292 (x) Z\n",
	})
	p, err := fs.Process(291)
	if err != nil {
		t.Fatal(err)
	}
	want := Process{PID: 291, PPid: 1, State: 'Z', Threads: 1, StartTicks: 415}
	if p != want || !p.Zombie() {
		t.Errorf("got %+v", p)
	}
	boot, err := fs.BootTime()
	if d := boot.Add(p.Started()).Sub(time.Unix(1000000004, 150e6)).Abs(); d > time.Millisecond || err != nil {
		t.Errorf("start is off by %v (%v)", d, err)
	}
	if _, err := fs.Process(292); !errors.Is(err, ErrMalformed) {
		t.Errorf("error %v, want ErrMalformed", err)
	}
	if _, err := fs.Process(293); !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrNotSupported) {
		t.Errorf("error %v, want ErrNotExist", err)
	}
}

// Our own child is seen alive, then as a zombie, then no more.
func TestChildrenLive(t *testing.T) {
	fs := Host()
	cmd := exec.Command("cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid, self := cmd.Process.Pid, os.Getpid()
	children, err := fs.Children(self)
	if err != nil {
		_ = stdin.Close()
		_ = cmd.Wait()
		if errors.Is(err, ErrNotSupported) {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	if !slices.Contains(children, pid) {
		t.Errorf("children %v do not hold %d", children, pid)
	}
	if p, err := fs.Process(pid); err != nil || p.Zombie() || p.PPid != self {
		t.Errorf("alive: %+v, %v", p, err)
	}

	_ = stdin.Close()
	// Wait for its death without reaping it.
	if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if p, err := fs.Process(pid); err != nil || !p.Zombie() || p.Threads != 1 {
		t.Errorf("dead: %+v, %v", p, err)
	}
	if children, err = fs.Children(self); err != nil || !slices.Contains(children, pid) {
		t.Errorf("a zombie is no child: %v, %v", children, err)
	}

	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Process(pid); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reaped: %v", err)
	}
	if children, err = fs.Children(self); err != nil || slices.Contains(children, pid) {
		t.Errorf("reaped, yet a child: %v, %v", children, err)
	}
}

// A child of any thread is found, and threads may come and go meanwhile.
func TestChildrenOfThreads(t *testing.T) {
	started, stop, ended := make(chan *exec.Cmd), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // and never unlock: the thread ends with us
		cmd := exec.Command("sleep", "60")
		if err := cmd.Start(); err != nil {
			t.Error(err)
			close(started)
			return
		}
		started <- cmd
		<-stop
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	cmd, ok := <-started
	if !ok {
		t.FailNow()
	}
	defer func() { close(stop); <-ended }()
	churn := make(chan struct{})
	go func() {
		defer close(churn)
		for range 200 {
			done := make(chan struct{})
			go func() { runtime.LockOSThread(); close(done) }() // its thread ends
			<-done
		}
	}()
	for range 100 {
		children, err := Host().Children(0)
		if errors.Is(err, ErrNotSupported) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(children, cmd.Process.Pid) {
			t.Fatalf("children %v do not hold %d", children, cmd.Process.Pid)
		}
	}
	<-churn
}

func TestChildrenFiles(t *testing.T) {
	fs := FS{Proc: t.TempDir()}
	measuretest.Put(t, fs.Proc, map[string]string{
		"10/task/10/children": "11 12 ", "10/task/13/children": "14 ", "10/task/15/children": "",
		"20/task/20/children": "21 x ",
		"30/task/30/stat":     "",
	})
	// A task that has gone when its file is opened.
	measuretest.Put(t, fs.Proc, map[string]string{"10/task/16": "-> " + filepath.Join(fs.Proc, "gone")})
	got, err := fs.Children(10)
	slices.Sort(got)
	if err != nil || !slices.Equal(got, []int{11, 12, 14}) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := fs.Children(20); !errors.Is(err, ErrMalformed) {
		t.Errorf("error %v, want ErrMalformed", err)
	}
	if _, err := fs.Children(30); !errors.Is(err, ErrNotSupported) {
		t.Errorf("error %v, want ErrNotSupported", err)
	}
	if _, err := fs.Children(40); !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrNotSupported) {
		t.Errorf("error %v, want ErrNotExist", err)
	}
}
