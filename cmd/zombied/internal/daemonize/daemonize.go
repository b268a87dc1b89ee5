// Package daemonize turns the program into a daemon, and lets the command that
// did so return only when the daemon is ready, or say why it is not.
//
// A Go program cannot go on after fork without exec, since only the forking
// thread survives. So the two forks of a daemon are two re-executions of the
// same program with the same arguments:
//
//	launcher  the command that was typed; it waits on a pipe
//	leader    leads a new session (setsid), so it has no terminal; it starts the
//	          daemon and exits
//	daemon    no session leader, so no terminal can become its own again
//
// Which of them a process is stands in its environment. Nobody looks at who the
// parent is: an orphan's new parent need not be pid 1 (it is not under systemd
// --user, nor in many containers).
package daemonize

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// stageVar names the stage of this process in its environment.
const stageVar = "ZOMBIED_STAGE"

const (
	leaderStage = "leader"
	daemonStage = "daemon"

	// withInherited after the stage says that InheritedFD is open.
	withInherited = "+"
)

// Descriptors of leader and daemon.
const (
	readinessFD = 3
	// InheritedFD is the descriptor at which Options.Inherit is open in the
	// daemon.
	InheritedFD = 4
)

// Options say what a daemon keeps.
type Options struct {
	Log     *os.File // becomes its stdout and stderr; nil: /dev/null
	Inherit *os.File // is open at InheritedFD; may be nil
}

// A Failure is the daemon's own reason for not becoming ready, with the exit
// status that it chose.
type Failure struct {
	Text   string
	Status int
}

func (e *Failure) Error() string { return e.Text }

// A message is what the daemon writes into the readiness pipe, one JSON object
// a line: first its pid, then either that it is ready or why it is not.
type message struct {
	PID     int      `json:"pid,omitempty"`
	Ready   *string  `json:"ready,omitempty"` // a text for people
	Failure *Failure `json:"failure,omitempty"`
}

// Detach starts the program anew as a daemon, in a session of its own, and
// waits until it is ready; it returns the text that the daemon has for whoever
// started it. The error is a *Failure if the daemon itself gave one. When ctx
// is done first, the daemon is told to end (SIGTERM).
func Detach(ctx context.Context, o Options) (text string, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("making the readiness pipe: %w", err)
	}
	defer r.Close()
	leader, err := again(leaderStage, o.Log, w, o.Inherit)
	if err == nil {
		leader.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		err = leader.Start()
	}
	w.Close()
	if err != nil {
		return "", fmt.Errorf("starting the daemon: %w", err)
	}
	ended := leader.Wait()

	// Nobody but the daemon holds the pipe's other end now.
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var m message
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return "", fmt.Errorf("unexpected message %q from the daemon", lines.Text())
		}
		switch {
		case m.Failure != nil:
			return "", m.Failure
		case m.Ready != nil:
			return *m.Ready, nil
		case m.PID != 0:
			defer context.AfterFunc(ctx, func() { terminate(m.PID) })()
		}
	}
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case ended != nil:
		return "", fmt.Errorf("detaching: %w", ended)
	default:
		return "", errors.New("the daemon exited before it was ready, without a reason (see its log)")
	}
}

// terminate tells a daemon to end whose end of the pipe is still open: so it is
// alive and the pid is its own.
func terminate(pid int) { _ = unix.Kill(pid, unix.SIGTERM) }

// Lead does the leader's part if this process is the leader, and reports whether
// it was: then the process is to exit with the status. It must come before
// everything else in main.
func Lead() (status int, isLeader bool) {
	stage, inherits := strings.CutSuffix(os.Getenv(stageVar), withInherited)
	if stage != leaderStage {
		return 0, false
	}
	unix.Umask(0o022)
	if err := CloseOnExec(); err != nil {
		return fail(err), true
	}
	var inherit *os.File
	if inherits {
		inherit = os.NewFile(InheritedFD, "inherited")
	}
	daemon, err := again(daemonStage, os.Stdout, os.NewFile(readinessFD, "readiness"), inherit)
	if err == nil {
		err = daemon.Start()
	}
	if err != nil {
		return fail(fmt.Errorf("starting the daemon: %w", err)), true
	}
	return 0, true
}

func fail(err error) (status int) {
	r := &Readiness{os.NewFile(readinessFD, "readiness")}
	r.Fail(err.Error(), 1)
	return 1
}

// again makes the command that runs this program anew, with the same arguments.
func again(stage string, log, readiness, inherit *os.File) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	if inherit != nil {
		stage += withInherited
	}
	cmd.Env = append(os.Environ(), stageVar+"="+stage) // of two of one name the last counts
	if log != nil {                                    // a nil *os.File in an io.Writer is not nil
		cmd.Stdout, cmd.Stderr = log, log
	}
	cmd.ExtraFiles = []*os.File{readiness}
	if inherit != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, inherit)
	}
	return cmd, nil
}

// A Readiness is the daemon's end of the pipe on which its launcher waits. A nil
// Readiness says nothing: there is no launcher.
type Readiness struct {
	pipe *os.File
}

// Daemon returns the pipe to the launcher if this process is the daemon, and
// nil if it was not detached. It tells the launcher the daemon's pid.
func Daemon() *Readiness {
	if stage, _ := strings.CutSuffix(os.Getenv(stageVar), withInherited); stage != daemonStage {
		return nil
	}
	os.Unsetenv(stageVar)
	r := &Readiness{os.NewFile(readinessFD, "readiness")}
	unix.CloseOnExec(readinessFD)
	r.send(message{PID: os.Getpid()})
	return r
}

// Ready lets the launcher return with success, and with a text for people.
func (r *Readiness) Ready(text string) {
	r.last(message{Ready: &text})
}

// Fail lets the launcher return with an error and a status. It does nothing
// after Ready.
func (r *Readiness) Fail(text string, status int) {
	r.last(message{Failure: &Failure{text, status}})
}

func (r *Readiness) last(m message) {
	if r == nil || r.pipe == nil {
		return
	}
	r.send(m)
	r.pipe.Close()
	r.pipe = nil
}

// send writes a message. If the launcher is gone there is nobody to tell.
func (r *Readiness) send(m message) {
	_ = json.NewEncoder(r.pipe).Encode(m)
}

// CloseOnExec keeps every descriptor that this process was given, stdin, stdout
// and stderr apart, from the programs that it executes. The Go runtime does
// that only for descriptors that it opens itself.
func CloseOnExec() error {
	const first = 3
	if unix.CloseRange(first, ^uint(0), unix.CLOSE_RANGE_CLOEXEC) == nil { // Linux 5.11
		return nil
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("listing open descriptors: %w", err)
	}
	for _, e := range open {
		var fd int
		if _, err := fmt.Sscan(e.Name(), &fd); err == nil && fd >= first {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}
