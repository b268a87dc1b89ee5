package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"zombench/bench/labtest/machine"
)

// The test binary plays zombied when it is told to by this variable.
const actAs = "ZOMBENCH_TEST_ACT_AS"

func TestMain(m *testing.M) {
	if act := os.Getenv(actAs); act != "" {
		os.Exit(play(act))
	}
	os.Exit(machine.Run(m))
}

// play is a zombied without an army, good or bad.
func play(act string) int {
	conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	say := func(lines ...string) { conn.Write([]byte(strings.Join(lines, "\n"))) }
	orders := make(chan os.Signal, 8)
	signal.Notify(orders, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM)

	switch act {
	case "refuse":
		fmt.Fprintln(os.Stderr, "first line")
		fmt.Fprintln(os.Stderr, "kernel.pid_max is too low")
		return 3
	case "end":
		return 0
	case "mute":
		select {}
	}
	say("READY=1", "X_ZOMBENCH_PHASE=held", "X_ZOMBENCH_THREADS=12", "X_ZOMBENCH_STANDING=0")
	for order := range orders {
		switch {
		case order == syscall.SIGTERM && act == "deaf":
		case order == syscall.SIGTERM:
			return 0
		case order == syscall.SIGUSR1 && act == "die":
			fmt.Fprintln(os.Stderr, "out of luck")
			return 1
		case order == syscall.SIGUSR1:
			say("X_ZOMBENCH_PHASE=raising", "X_ZOMBENCH_STANDING=3")
			say("X_ZOMBENCH_PHASE=standing", "X_ZOMBENCH_STANDING=7", "X_ZOMBENCH_FAILED=3", "X_ZOMBENCH_SPAWN_NS=12345",
				"X_ZOMBENCH_ERROR=pids.max=7", "X_NEWER_KEY=1")
		case order == syscall.SIGUSR2:
			say("X_ZOMBENCH_PHASE=reaping", "X_ZOMBENCH_STANDING=7")
			say("X_ZOMBENCH_PHASE=reaped", "X_ZOMBENCH_STANDING=0", "X_ZOMBENCH_REAP_NS=99",
				"X_ZOMBENCH_SIGNALS=0", "X_ZOMBENCH_EXITED=5", "X_ZOMBENCH_KILLED=1", "X_ZOMBENCH_DUMPED=1")
		}
	}
	return 0
}

// startAs starts the test binary in the part act.
func startAs(t *testing.T, act string) (*Daemon, error) {
	t.Helper()
	t.Setenv(actAs, act)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return Start(ctx, (*exec.Cmd).Start, Options{Binary: "/proc/self/exe", Count: 10, Parallel: 2, Spawn: "exec"})
}

func TestLifeOfADaemon(t *testing.T) {
	d, err := startAs(t, "good")
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Last(); got.Phase != Held || got.Threads != 12 || !got.Ready {
		t.Errorf("held: %+v", got)
	}
	var progress []int
	raised, err := d.Raise(t.Context(), func(r Report) { progress = append(progress, r.Standing) })
	if err != nil {
		t.Fatal(err)
	}
	want := Report{Ready: true, Phase: Standing, Standing: 7, Failed: 3, Threads: 12, Spawn: 12345, Error: "pids.max=7"}
	if diff := cmp.Diff(want, raised); diff != "" {
		t.Errorf("raised (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{3}, progress); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	reaped, err := d.Reap(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if reaped.Phase != Reaped || reaped.Exited != 5 || reaped.Killed != 1 || reaped.Dumped != 1 || reaped.Reap != 99 {
		t.Errorf("reaped: %+v", reaped)
	}
	if err := d.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDaemonThatEndsTooEarly(t *testing.T) {
	for act, want := range map[string]string{
		"refuse": "zombied ended (exit status 3): kernel.pid_max is too low",
		"end":    "zombied ended (exit status 0) and logged nothing",
	} {
		_, err := startAs(t, act)
		exit, ok := errors.AsType[*ExitError](err)
		if !ok || exit.Error() != want {
			t.Errorf("%s: error %v\nwant %s", act, err, want)
		}
	}
}

func TestDaemonThatDiesWhileRaising(t *testing.T) {
	d, err := startAs(t, "die")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Stop(t.Context())
	_, err = d.Raise(t.Context(), nil)
	if exit, ok := errors.AsType[*ExitError](err); !ok || exit.Log != "out of luck" {
		t.Errorf("error %v, want that zombied ended, out of luck", err)
	}
	if _, err := d.Reap(t.Context(), nil); err == nil {
		t.Error("a dead daemon reaps")
	}
}

func TestDaemonThatIsNeverReady(t *testing.T) {
	t.Setenv(actAs, "mute")
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	var pid int
	_, err := Start(ctx, func(cmd *exec.Cmd) error {
		err := cmd.Start()
		pid = cmd.Process.Pid
		cancel(enough)
		return err
	}, Options{Binary: "/proc/self/exe"})
	if !errors.Is(err, enough) {
		t.Errorf("error %v, want %v", err, enough)
	}
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("pid %d is still there (%v)", pid, err)
	}
}

func TestDeafDaemonIsKilled(t *testing.T) {
	d, err := startAs(t, "deaf")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the grace is over at once
	if err := d.Stop(ctx); err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("error %v, want that it was killed", err)
	}
}

func TestMissingDaemon(t *testing.T) {
	_, err := Start(t.Context(), (*exec.Cmd).Start, Options{Binary: "/nonexistent/zombied"})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want that the file does not exist", err)
	}
}

// Whoever else writes to the socket is not heard.
func TestStrangersAreNotHeard(t *testing.T) {
	d, err := startAs(t, "good")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Stop(t.Context())
	conn, err := net.Dial("unixgram", d.socket.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "X_ZOMBENCH_PHASE=standing\nX_ZOMBENCH_STANDING=1000000")
	raised, err := d.Raise(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if raised.Standing != 7 {
		t.Errorf("%d stand, want the daemon's own word: 7", raised.Standing)
	}
}

func TestUpdate(t *testing.T) {
	var r Report
	for _, bad := range []string{"X_ZOMBENCH_STANDING=many", "X_ZOMBENCH_SPAWN_NS=", "X_ZOMBENCH_SIGNALS=-1"} {
		if err := r.update(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	if err := r.update("STATUS=a=b\nno equals sign\nX_ZOMBENCH_STANDING=4"); err != nil || r.Status != "a=b" || r.Standing != 4 {
		t.Errorf("report %+v, error %v", r, err)
	}
}

func FuzzUpdate(f *testing.F) {
	f.Add("READY=1\nX_ZOMBENCH_PHASE=held")
	f.Add("X_ZOMBENCH_SPAWN_NS=99999999999999999999")
	f.Fuzz(func(t *testing.T, datagram string) {
		var r Report
		r.update(datagram) // must not panic
	})
}

// FuzzMadDaemon says anything at all as the daemon: whoever waits for it hears its
// last word, or is told that it has ended.
func FuzzMadDaemon(f *testing.F) {
	f.Add([]byte("READY=1\nX_ZOMBENCH_PHASE=held\x00X_ZOMBENCH_PHASE=standing\nX_ZOMBENCH_STANDING=-7"))
	f.Add(bytes.Repeat([]byte("X_ZOMBENCH_STANDING=1"), 300))
	f.Fuzz(func(t *testing.T, said []byte) {
		sock, err := listen()
		if err != nil {
			t.Fatal(err)
		}
		defer sock.close()
		sock.accept(os.Getpid())
		d := &Daemon{socket: sock, exited: make(chan struct{})}
		conn, err := net.Dial("unixgram", sock.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go func() {
			for datagram := range bytes.SplitSeq(said, []byte{0}) {
				conn.Write(datagram[:min(len(datagram), 1<<16)])
			}
			conn.Write([]byte("X_ZOMBENCH_PHASE=reaped\nX_ZOMBENCH_EXITED=42"))
		}()
		last, err := d.await(t.Context(), func(Report) {}, func(r Report) bool { return r.Phase == Reaped && r.Exited == 42 })
		if err != nil || last.Phase != Reaped {
			t.Errorf("%+v, %v", last, err)
		}
	})
}

// Orphans are collected, children that somebody else waits for are not.
func TestCollectOrphans(t *testing.T) {
	if err := BecomeSubreaper(); err != nil {
		t.Fatal(err)
	}
	own := exec.Command("true")
	if err := own.Start(); err != nil {
		t.Skip("needs the program true:", err)
	}
	// A shell that leaves us four children, each alive until the pipe ends.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command("sh", "-c", "for i in 1 2 3 4; do read x <&3 & done; exit 0")
	parent.ExtraFiles = []*os.File{r}
	parent.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := parent.Run(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	alive := func() bool { return syscall.Kill(-parent.Process.Pid, 0) == nil }
	if !alive() {
		t.Fatal("the shell left no children")
	}
	w.Close()

	waited := make(chan error)
	go func() { waited <- own.Wait() }()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	n, err := CollectOrphans(ctx, map[int]bool{own.Process.Pid: true}, alive)
	if err != nil || n != 4 {
		t.Errorf("%d orphans collected, error %v; want 4", n, err)
	}
	if err := <-waited; err != nil {
		t.Errorf("its own child was taken away: %v", err)
	}
}

// An init that has no handlers is sent SIGTERM in vain: a start that is given up
// before zombied was found behind it kills it.
func TestGivenUpBehindAnInit(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for a pid namespace")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	begun := time.Now()
	_, err = Start(ctx, func(cmd *exec.Cmd) error {
		cmd.Path, cmd.Args = sleep, []string{"sleep", "1000"}
		defer cancel()
		return cmd.Start()
	}, Options{Binary: sleep, Count: 1, Parallel: 1, Spawn: "exec", PidNS: 1})
	if !errors.Is(err, context.Canceled) || time.Since(begun) >= stopGrace {
		t.Errorf("given up after %v: %v", time.Since(begun), err)
	}
}
