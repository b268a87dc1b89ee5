package parent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/reexec"
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

	cmd      *exec.Cmd // nil for a begotten one, for which its own parent waits
	in       *os.File
	out      *os.File
	replies  *json.Decoder
	stderr   tail
	hold     *os.File // the living children's other end
	begotten struct{ in, out *os.File }
	ended    bool
}

// A tail keeps what a parent complained of last.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buf.Len() < 4096 {
		t.buf.Write(p)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(t.buf.String())
}

// ErrEnded is wrapped when a parent has ended instead of answering.
var ErrEnded = errors.New("the parent has ended")

// Start starts a parent through start, such as (*exec.Cmd).Start, and returns
// when it is ready: its threads stand and it has no child.
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
	defer closeAll(stdin, stdout, holdEnd, stdin2, stdout2)

	c := &Client{in: in, out: out, hold: hold, replies: json.NewDecoder(out)}
	c.begotten.in, c.begotten.out = in2, out2
	uid := o.UID
	if uid == 0 {
		uid = -1
	}
	c.cmd = reexec.Command(name, strconv.Itoa(max(o.Parallel, 1)), strconv.Itoa(uid), strconv.FormatBool(o.Subreaper))
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
	if err := start(c.cmd); err != nil {
		closeAll(in, out, hold, in2, out2)
		return nil, fmt.Errorf("starting a parent: %w", err)
	}
	c.PID = c.cmd.Process.Pid
	if _, err := c.reply(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("waiting for a parent to be ready: %w", err), c.Close())
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
		if says := c.stderr.String(); says != "" {
			return r, fmt.Errorf("%w: %s", ErrEnded, says)
		}
		return r, ErrEnded
	}
	return r, fmt.Errorf("reading a reply: %w", err)
}

// Beget lets the parent start another one as its child: in the same cgroup, of
// the same user and, unless o says otherwise, in the same pid namespace. It is
// the parent's to wait for. There can be one at a time, which ends by Kill.
func (c *Client) Beget(ctx context.Context, o Order) (*Client, error) {
	o.Do = Beget
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
	born := slices.DeleteFunc(after, func(pid int) bool { return slices.Contains(before, pid) })
	if len(born) != 1 {
		return nil, fmt.Errorf("parent %d has begotten %v: want one child", c.PID, born)
	}
	// The pipes stay with the one who begets: they serve the next one as well.
	b := &Client{PID: born[0], in: c.begotten.in, out: c.begotten.out, replies: json.NewDecoder(c.begotten.out)}
	if _, err := b.reply(ctx); err != nil {
		return nil, fmt.Errorf("waiting for a begotten parent to be ready: %w", err)
	}
	return b, nil
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
	closeAll(c.in, c.begotten.in)
	defer closeAll(c.out, c.begotten.out)
	if c.ended {
		return nil
	}
	overdue := time.AfterFunc(closeGrace, func() { _ = c.cmd.Process.Kill() })
	defer overdue.Stop()
	err := c.Wait()
	if err != nil {
		err = fmt.Errorf("parent %d: %w: %s", c.PID, err, c.stderr.String())
	}
	return err
}
