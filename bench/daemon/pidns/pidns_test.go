package pidns

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"zombench/bench/labtest/machine"
	"zombench/bench/reexec"
	"zombench/measure"
)

// The test binary is the inits, too.
func TestMain(m *testing.M) {
	reexec.Dispatch(Program(), KeeperProgram())
	os.Exit(machine.Run(m))
}

func nested(t *testing.T, levels int, name string, args ...string) *exec.Cmd {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: pid namespaces")
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(path, args...)
	Wrap(cmd, levels)
	return cmd
}

func skipIfForbidden(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, unix.EPERM) {
		t.Skipf("pid namespaces are not permitted here: %v", err)
	}
}

// In a new namespace numbers begin anew: 1 is the init's, the next few are its
// threads'. Status and output come out as they are.
func TestNesting(t *testing.T) {
	for _, levels := range []int{0, 1, 3} {
		cmd := nested(t, levels, "sh", "-c", "echo $$; cat; readlink /proc/self/ns/pid >&2; exit 7")
		var out, namespace bytes.Buffer
		cmd.Stdin = strings.NewReader("stdin")
		cmd.Stdout, cmd.Stderr = &out, &namespace
		err := cmd.Run()
		skipIfForbidden(t, err)
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 7 {
			t.Fatalf("%d levels: %v, %s; want status 7", levels, err, namespace.String())
		}
		pid, rest, _ := strings.Cut(out.String(), "\n")
		if n, err := strconv.Atoi(pid); err != nil || levels > 0 && (n < 2 || n > 100) || rest != "stdin" {
			t.Errorf("%d levels: pid %s, then %q", levels, pid, rest)
		}
		own, err := os.Readlink("/proc/self/ns/pid")
		if err != nil {
			t.Fatal(err)
		}
		if same := strings.TrimSpace(namespace.String()) == own; same != (levels == 0) {
			t.Errorf("%d levels: namespace %s, ours is %s", levels, namespace.String(), own)
		}
	}
}

// The program is found by our number for it, and has one number more for each
// level.
func TestFind(t *testing.T) {
	const levels = 2
	cmd := nested(t, levels, "cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		skipIfForbidden(t, err)
		t.Fatal(err)
	}
	pid, err := Find(t.Context(), measure.Host(), cmd.Process.Pid, levels, nil)
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(status), "\nNSpid:")
	line, _, _ = strings.Cut(line, "\n")
	if numbers := strings.Fields(line); len(numbers) < levels+1 {
		t.Errorf("process %d has numbers %v, want one for each of %d namespaces", pid, numbers, levels+1)
	}
	if pid == cmd.Process.Pid {
		t.Error("the init passes for the program")
	}
	// What kills the program is told by status.
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 128+15 {
		t.Errorf("after SIGTERM: %v", err)
	}
	stdin.Close()
}

// An init that goes takes all with it: nothing of a namespace outlives it.
func TestKilledInit(t *testing.T) {
	const levels = 2
	cmd := nested(t, levels, "cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	if err := cmd.Start(); err != nil {
		skipIfForbidden(t, err)
		t.Fatal(err)
	}
	pid, err := Find(t.Context(), measure.Host(), cmd.Process.Pid, levels, nil)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the program is still there: %v", err)
	}
}

func TestFindGivesUp(t *testing.T) {
	ended := make(chan struct{})
	close(ended)
	if _, err := Find(t.Context(), measure.Host(), 1<<30, 1, ended); err == nil {
		t.Error("found a child of nobody")
	}
}

func TestInitRefuses(t *testing.T) {
	for _, args := range [][]string{nil, {"1"}, {"many", "true", "true"}, {"0", "true", "true"}, {"1", "true", "true"}} {
		var stderr bytes.Buffer
		if status := run(&stderr, name, args); status != failed || stderr.Len() == 0 {
			t.Errorf("%q: status %d, %q", args, status, stderr.String())
		}
	}
}
