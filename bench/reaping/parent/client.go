package parent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/reexec"
	"zombench/bench/tail"
	"zombench/measure"
)

// Options say which parent is started.
type Options struct {
	Parallel  int // threads that start children; 0: 1
	UID       int // user to become; 0: none
	Subreaper bool
	Pidns     bool // as the init of a pid namespace of its own
}

// A Client drives a parent. Its methods are not safe for concurrent use,
// except Kill.
type Client struct {
	PID int // in the pid namespace of this process

	cmd     *exec.Cmd // nil for one that a parent has spawned, and waits for
	in      *os.File
	out     *os.File
	replies *json.Decoder
	stderr  tail.Log
	hold    *os.File                   // the living children's other end
	next    struct{ in, out *os.File } // of a parent that it spawns
	ended   bool
}

// ErrEnded is wrapped when a parent has ended instead of answering.
var ErrEnded = errors.New("the parent has ended")

// Start starts a parent through start, such as (*exec.Cmd).Start, and returns
// when it is ready: its threads are there and it has no child.
func Start(ctx context.Context, start func(*exec.Cmd) error, o Options) (_ *Client, err error) {
	var pipes []*os.File
	pipe := func() (r, w *os.File) {
		if err == nil {
			r, w, err = os.Pipe()
			pipes = append(pipes, r, w)
		}
		return r, w
	}
	stdin, in := pipe()
	out, stdout := pipe()
	holdEnd, hold := pipe()
	stdin2, in2 := pipe()
	out2, stdout2 := pipe()
	if err != nil {
		closeAll(pipes...)
		return nil, fmt.Errorf("making the pipes of a parent: %w", err)
	}

	c := &Client{in: in, out: out, hold: hold, replies: json.NewDecoder(out)}
	c.next.in, c.next.out = in2, out2
	o.Parallel = max(o.Parallel, 1)
	options, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	c.cmd = reexec.Command(name, string(options))
	c.cmd.Stdin, c.cmd.Stdout = stdin, stdout
	c.cmd.Stderr = &c.stderr
	// Whoever inherits standard error may outlive the parent.
	c.cmd.WaitDelay = time.Second
	c.cmd.ExtraFiles = []*os.File{holdEnd, stdin2, stdout2}
	c.cmd.Env = append(os.Environ(), "GODEBUG=updatemaxprocs=0", "GORACE=atexit_sleep_ms=0")
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if o.Pidns {
		c.cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWPID
	}
	err = start(c.cmd)
	closeAll(stdin, stdout, holdEnd, stdin2, stdout2) // or the end of the parent would not be seen
	if err != nil {
		closeAll(in, out, hold, in2, out2)
		return nil, fmt.Errorf("starting a parent: %w", err)
	}
	c.PID = c.cmd.Process.Pid
	if _, err := c.reply(ctx); err != nil {
		if why := c.Close(); why != nil {
			err = fmt.Errorf("%w: %w", err, why)
		}
		return nil, fmt.Errorf("waiting for a parent to be ready: %w", err)
	}
	return c, nil
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// Do gives an order and returns the reply. An order that could not be carried
// out is told by Reply.Error; the error is for a parent that is out of reach.
func (c *Client) Do(ctx context.Context, o Order) (Reply, error) {
	if err := c.Send(o); err != nil {
		return Reply{}, err
	}
	return c.Await(ctx, o)
}

// Must is Do for an order that has to succeed.
func (c *Client) Must(ctx context.Context, o Order) (Reply, error) {
	r, err := c.Do(ctx, o)
	if err == nil && r.Error != "" {
		err = fmt.Errorf("parent %d: %s: %s", c.PID, o.Do, r.Error)
	}
	return r, err
}

// Send gives an order; Await takes the reply.
func (c *Client) Send(o Order) error {
	line, err := json.Marshal(o)
	if err == nil {
		_, err = c.in.Write(append(line, '\n'))
	}
	if errors.Is(err, unix.EPIPE) {
		err = ErrEnded
	}
	if err != nil {
		return fmt.Errorf("ordering parent %d to %s: %w", c.PID, o.Do, err)
	}
	return nil
}

// Await takes the reply to an order that was sent.
func (c *Client) Await(ctx context.Context, o Order) (Reply, error) {
	r, err := c.reply(ctx)
	if err != nil {
		return r, fmt.Errorf("parent %d, %s: %w", c.PID, o.Do, err)
	}
	return r, nil
}

func (c *Client) reply(ctx context.Context) (Reply, error) {
	stop := context.AfterFunc(ctx, func() { _ = c.out.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var r Reply
	err := c.replies.Decode(&r)
	switch {
	case err == nil:
		return r, nil
	case ctx.Err() != nil:
		return r, context.Cause(ctx)
	case errors.Is(err, io.EOF):
		return r, ErrEnded // Close says why
	}
	return r, fmt.Errorf("reading a reply: %w", err)
}

// SpawnParent lets the parent start another one as its child: in the same
// cgroup, of the same user and, unless o says otherwise, in the same pid
// namespace. The parent has to wait for it. There can be one at a time, which
// ends by Kill.
func (c *Client) SpawnParent(ctx context.Context, o Order) (*Client, error) {
	o.Do = SpawnParent
	before, err := measure.Host().Children(c.PID)
	if err != nil {
		return nil, err
	}
	if _, err := c.Must(ctx, o); err != nil {
		return nil, err
	}
	// The parent may know it by a pid of another namespace.
	after, err := measure.Host().Children(c.PID)
	if err != nil {
		return nil, err
	}
	spawned := slices.DeleteFunc(after, func(pid int) bool { return slices.Contains(before, pid) })
	if len(spawned) != 1 {
		return nil, fmt.Errorf("parent %d has spawned %v, want one child", c.PID, spawned)
	}
	// The pipes stay with its parent: they serve the next one as well.
	child := &Client{PID: spawned[0], in: c.next.in, out: c.next.out, replies: json.NewDecoder(c.next.out)}
	if _, err := child.reply(ctx); err != nil {
		return nil, fmt.Errorf("waiting for a spawned parent to be ready: %w", err)
	}
	return child, nil
}

// Release ends the lives of the living children.
func (c *Client) Release() {
	if c.hold != nil {
		c.hold.Close()
		c.hold = nil
	}
}

// Kill kills the parent. Its zombies go to whoever adopts them.
func (c *Client) Kill() error {
	if c.PID <= 0 { // to kill(2) many processes, not none
		return errors.New("killing a parent that was not started")
	}
	if err := unix.Kill(c.PID, unix.SIGKILL); err != nil {
		return fmt.Errorf("killing parent %d: %w", c.PID, err)
	}
	return nil
}

// Wait waits for a parent that was killed or has ended.
func (c *Client) Wait() error {
	c.ended = true
	return c.cmd.Wait()
}

// closeGrace bounds how long a parent may take to collect what it has.
const closeGrace = 10 * time.Second

// Close ends the parent, which collects its children, and waits for it.
func (c *Client) Close() error {
	if c.cmd == nil {
		return nil // its parent's to end
	}
	c.Release()
	closeAll(c.in, c.next.in)
	defer closeAll(c.out, c.next.out)
	if c.ended {
		return nil
	}
	overdue := time.AfterFunc(closeGrace, func() { _ = c.cmd.Process.Kill() })
	defer overdue.Stop()
	err := c.Wait()
	if err != nil {
		err = fmt.Errorf("parent %d: %w: %s", c.PID, err, c.stderr.LastLine())
	}
	return err
}
