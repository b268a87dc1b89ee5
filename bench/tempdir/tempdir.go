// Package tempdir makes temporary directories that go with the process that made
// them, however that ends: a child process, which has its own session and does
// nothing else, holds a pipe to it and removes the directory when the pipe closes.
//
// It is for what other programs have to find by a path. What does not is better
// kept in a file without a name.
package tempdir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"zombench/bench/reexec"
)

// A Dir is a temporary directory of mode 0700.
type Dir struct {
	Path  string
	guard *exec.Cmd
	life  io.Closer
}

// name is the guard's argument zero.
const name = "zombench-tempdir"

// Program is the guard that Make starts, for main to dispatch.
func Program() reexec.Program {
	return reexec.Program{Name: name, Main: reexec.Reporting(name, 1, serve)}
}

// Make makes a directory in $TMPDIR whose name begins with a prefix.
func Make(prefix string) (_ *Dir, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("making a temporary directory: %w", err)
		}
	}()
	guard := reexec.Command(name, prefix)
	guard.Env = []string{"GOMAXPROCS=1", "TMPDIR=" + os.TempDir()}
	guard.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	life, err := guard.StdinPipe()
	if err != nil {
		return nil, err
	}
	says, err := guard.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := guard.Start(); err != nil {
		return nil, err
	}
	path, err := io.ReadAll(says)
	if len(path) == 0 {
		return nil, errors.Join(err, life.Close(), guard.Wait(), errors.New("its guard has ended"))
	}
	return &Dir{string(path), guard, life}, nil
}

// Close removes the directory, also if its guard was killed.
func (d *Dir) Close() error {
	err := errors.Join(d.life.Close(), os.RemoveAll(d.Path))
	_ = d.guard.Wait() // it has nothing more to say
	return err
}

// serve is the guard's life.
func serve(args []string) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	dir, err := os.MkdirTemp("", args[0])
	if err != nil {
		return err
	}
	if _, err = fmt.Print(dir); err == nil {
		os.Stdout.Close() // all is said
		_, err = io.Copy(io.Discard, os.Stdin)
	}
	// What the process has started may still be writing, for a while.
	for range 100 {
		if rmErr := os.RemoveAll(dir); rmErr == nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s cannot be removed", dir)
}
