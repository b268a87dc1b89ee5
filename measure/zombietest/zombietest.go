// Package zombietest makes processes for tests: parents that leave zombies, reap
// late or reap well. They are small Perl scripts (perl-base is on every Debian),
// since a fork of a Go program is slow and has threads.
//
// Each is the init of a pid namespace of its own, so that whatever it leaves goes
// with it when the test ends. It is for tests alone.
package zombietest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A Parent is a running script.
type Parent struct {
	PID    int
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
}

// Start runs a script. It is stopped, and all that it left is gone, when the test
// ends at the latest. The test is skipped without root.
func Start(t testing.TB, script string, args ...string) *Parent {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: pid namespaces")
	}
	cmd := exec.Command("perl", append([]string{"-e", "$| = 1; " + script}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &Parent{PID: cmd.Process.Pid, cmd: cmd, stdin: stdin, stdout: bufio.NewReader(stdout)}
	t.Cleanup(p.Stop)
	return p
}

// Stop ends it and all that it left.
func (p *Parent) Stop() {
	p.cmd.Process.Kill()
	p.cmd.Wait() // that it was killed is no news
}

// Line waits for a line that the script prints, and returns it.
func (p *Parent) Line(t testing.TB) string {
	t.Helper()
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		t.Fatalf("the parent said nothing more: %v", err)
	}
	return strings.TrimSpace(line)
}

// Say writes a line to the script.
func (p *Parent) Say(t testing.TB, line string) {
	t.Helper()
	if _, err := fmt.Fprintln(p.stdin, line); err != nil {
		t.Fatal(err)
	}
}

// Army starts a parent that has n zombies and leaves them. A line said to it
// makes it reap them all.
func Army(t testing.TB, n int) *Parent {
	t.Helper()
	p := Start(t, `
		pipe R, W; # closed on the other side when the last child has ended
		for (1 .. shift) { my $pid = fork; defined $pid or die "fork: $!"; $pid or exit }
		close W; <R>; select undef, undef, undef, 0.1;
		print "ready\n"; <STDIN>; 1 while wait > 0; print "reaped\n"; <STDIN>; sleep 1 while 1`, fmt.Sprint(n))
	p.Line(t)
	return p
}
