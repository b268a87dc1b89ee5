package clone

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stormVar makes the test binary raise children in a storm of signals, in a
// process of its own: if the child's code is unsound, it is that which breaks.
const stormVar = "CLONE_TEST_STORM"

func TestMain(m *testing.M) {
	if os.Getenv(stormVar) == "" {
		os.Exit(m.Run())
	}
	if err := storm(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("weathered")
}

// collect reaps children of this process and counts those that exited with 0.
func collect(pids []int32) (exited int, err error) {
	for _, pid := range pids {
		var ws unix.WaitStatus
		for {
			if _, err = unix.Wait4(int(pid), &ws, 0, nil); err != unix.EINTR {
				break
			}
		}
		if err != nil {
			return exited, fmt.Errorf("child %d: %w", pid, err)
		}
		if ws.Exited() && ws.ExitStatus() == 0 {
			exited++
		}
	}
	return exited, nil
}

func TestExited(t *testing.T) {
	seen := map[int32]bool{}
	for _, n := range []int{0, 1, 2, 500} {
		pids := make([]int32, n)
		if got, err := Exited(pids); got != n || err != nil {
			t.Fatalf("Exited started %d of %d children: %v", got, n, err)
		}
		for _, pid := range pids {
			if pid <= 0 || seen[pid] {
				t.Errorf("a child has the pid %d", pid)
			}
			seen[pid] = true
		}
		clear(seen)
		if exited, err := collect(pids); exited != n || err != nil {
			t.Errorf("%d of %d children exited with 0: %v", exited, n, err)
		}
	}
}

// signalMask reads the signals that a task blocks.
func signalMask(t *testing.T, path string) string {
	t.Helper()
	status, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if mask, ok := strings.CutPrefix(line, "SigBlk:"); ok {
			return strings.TrimSpace(mask)
		}
	}
	t.Fatalf("%s has no SigBlk: %s", path, status)
	return ""
}

// A child must be born with every signal blocked that can be, or a handler of
// the runtime could run on its parent's stack. The zombie still tells.
func TestBornWithSignalsBlocked(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own := fmt.Sprintf("/proc/self/task/%d/status", unix.Gettid())
	before := signalMask(t, own)

	var pids [1]int32
	if _, err := Exited(pids[:]); err != nil {
		t.Fatal(err)
	}
	mask := signalMask(t, fmt.Sprintf("/proc/%d/status", pids[0]))
	if want := "fffffffffffbfeff"; !strings.HasSuffix(mask, want) { // all but SIGKILL and SIGSTOP
		t.Errorf("the child was born with mask %s, want %s", mask, want)
	}
	if _, err := collect(pids[:]); err != nil {
		t.Error(err)
	}
	if after := signalMask(t, own); after != before {
		t.Errorf("the thread's own mask is %s, was %s", after, before)
	}

	// The control: a child of the usual kind blocks nothing.
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	if mask := signalMask(t, fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)); strings.Trim(mask, "0") != "" {
		t.Errorf("a common child has mask %s: the test proves nothing", mask)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func TestSignalStorm(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // it may also hang
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), stormVar+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the storm hits a whole group
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("weathered")) {
		t.Errorf("%v: %s", err, out)
	}
}

// storm raises children on several threads while the process is profiled, its
// garbage is collected, and signals that the runtime handles rain on it and on
// the children themselves: at least one for each batch.
func storm() error {
	const threads, batches, batch = 4, 25, 20
	if err := pprof.StartCPUProfile(new(bytes.Buffer)); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()

	var over atomic.Bool
	var weather, work sync.WaitGroup
	var sent atomic.Int64
	for _, sig := range []unix.Signal{unix.SIGURG, unix.SIGPROF, unix.SIGCHLD} {
		weather.Go(func() {
			for !over.Load() {
				_ = unix.Kill(0, sig) // the process group: this process and its children
				sent.Add(1)
				runtime.Gosched()
			}
		})
	}
	weather.Go(func() {
		for !over.Load() {
			runtime.GC()
		}
	})
	errs := make(chan error, threads)
	for range threads {
		work.Go(func() {
			for i := 0; i < batches || sent.Load() < threads*batches; i++ {
				pids := make([]int32, batch)
				n, err := Exited(pids)
				if err == nil && n != batch {
					err = fmt.Errorf("started %d of %d children", n, batch)
				}
				if err == nil {
					n, err = collect(pids)
				}
				if err == nil && n != batch {
					err = fmt.Errorf("%d of %d children exited with 0", n, batch)
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	work.Wait()
	over.Store(true)
	weather.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

func BenchmarkExited(b *testing.B) {
	pids := make([]int32, 64)
	standing := make([]int32, 0, 10000)
	reap := func() {
		if _, err := collect(standing); err != nil {
			b.Fatal(err)
		}
		standing = standing[:0]
	}
	for left := b.N; left > 0; {
		n, err := Exited(pids[:min(left, len(pids))])
		if err != nil {
			b.Fatal(err)
		}
		left -= n
		standing = append(standing, pids[:n]...)
		if cap(standing)-len(standing) < len(pids) {
			b.StopTimer()
			reap()
			b.StartTimer()
		}
	}
	b.StopTimer()
	reap()
}
