// Package coproc runs a program as a coprocess: a line on its standard input is an
// order, a line on its standard output the answer.
//
// The first line says that the program is ready, and it ends when its input does. In
// flow lines, out flow lines; a program that ends instead is an error with the last
// line of its standard error. It is not for one that needs more than lines: package
// daemon speaks to zombied, and reaping/parent to parents under test.
package coproc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"zombench/bench/tail"
)

// A Process is a coprocess at work. Its methods are not safe for concurrent use.
type Process struct {
	Ready  string        // the first line
	Output *bufio.Reader // its standard output, for answers that are no lines

	cmd    *exec.Cmd
	input  io.WriteCloser
	stderr tail.Log
	spare  func() bool // from being killed when the context ends
}

// Start starts a command through start, such as (*exec.Cmd).Start, and returns when it
// has printed its first line. It is killed when the context ends.
func Start(ctx context.Context, start func(*exec.Cmd) error, cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd}
	cmd.Stderr = &p.stderr
	cmd.WaitDelay = time.Second // children that have its standard error may outlive it
	output, err := cmd.StdoutPipe()
	if err == nil {
		p.Output = bufio.NewReader(output)
		p.input, err = cmd.StdinPipe()
	}
	if err == nil {
		err = start(cmd)
	}
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", p.name(), err)
	}
	p.spare = context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	if p.Ready, err = p.line(); err != nil {
		err = errors.Join(err, p.Close())
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("waiting for %s to be ready: %w", p.name(), err)
	}
	return p, nil
}

func (p *Process) name() string { return filepath.Base(p.cmd.Args[0]) }

// Pid returns its process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Ask gives an order and returns the answer, both without the end of line.
func (p *Process) Ask(order string) (answer string, err error) {
	if _, err = io.WriteString(p.input, order+"\n"); err == nil {
		answer, err = p.line()
	}
	if err != nil {
		return "", fmt.Errorf("asking %s to %s: %w", p.name(), order, err)
	}
	return answer, nil
}

func (p *Process) line() (string, error) {
	line, err := p.Output.ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = errors.New("it has ended its output")
	}
	return strings.TrimSuffix(line, "\n"), err
}

// End ends its input: what it still prints is in Output, up to Close.
func (p *Process) End() { _ = p.input.Close() }

// Close ends its input and waits for its end; what is left of its output is lost.
// That it was killed because the context has ended is no error. Calls after the first
// do nothing.
func (p *Process) Close() error {
	if p.cmd.ProcessState != nil {
		return nil
	}
	p.End()
	go io.Copy(io.Discard, p.Output) // it may be about to print more than a pipe holds
	err := p.cmd.Wait()
	if killed := !p.spare(); killed || errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", p.name(), err)
		if said := p.stderr.LastLine(); said != "" {
			err = fmt.Errorf("%w: %s", err, said)
		}
	}
	return err
}
