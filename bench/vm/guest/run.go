package guest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"

	"zombench/bench/wait"
)

// run starts the program, reaps whatever is left to pid 1 until the program
// has ended, and ends what remains.
func run(c Config, stdout, stderr io.Writer) (int, error) {
	var copies sync.WaitGroup
	null, err := os.Open("/dev/null")
	if err != nil {
		return StatusSetup, err
	}
	files := []uintptr{null.Fd()}
	var ends []*os.File
	for _, w := range []io.Writer{stdout, stderr} {
		r, end, err := os.Pipe()
		if err != nil {
			return StatusSetup, err
		}
		ends = append(ends, end)
		files = append(files, end.Fd())
		copies.Go(func() { io.Copy(w, r) })
	}
	pid, err := syscall.ForkExec(c.Args[0], c.Args, &syscall.ProcAttr{
		Dir:   c.Dir,
		Env:   append([]string{"PATH=/bin:/sbin", "HOME=/tmp", "TERM=dumb"}, c.Env...),
		Files: files,
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	for _, end := range ends {
		end.Close()
	}
	runtime.KeepAlive(null)
	if err != nil {
		return StatusSetup, fmt.Errorf("starting %s: %w", c.Args[0], err)
	}
	status, err := wait.Until(pid)
	if err != nil {
		return StatusSetup, fmt.Errorf("waiting for the program: %w", err)
	}
	// A process that still holds a pipe would keep the copies waiting.
	if err := syscall.Kill(-1, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return StatusSetup, fmt.Errorf("ending what the program left: %w", err)
	}
	copies.Wait()
	return status, nil
}
