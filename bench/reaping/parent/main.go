package parent

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/daemon"
	"zombench/bench/reexec"
	"zombench/bench/threads"
	"zombench/bench/wait"
)

// Descriptors that a parent is given besides the first three.
const (
	holdFD   = 3 + iota // living children read from it, and end when its other end closes
	childIn             // standard input of a parent that it spawns
	childOut            // and standard output
)

// spareThreads is how many idle threads a parent has besides those that start
// children: the runtime wants one whenever another stays in a system call, and
// at the limits that are tested here it would get none.
const spareThreads = 8

// name is a parent's argument zero.
const name = "zombench-parent"

// Program is the parent that Start starts, for main to dispatch.
func Program() reexec.Program { return reexec.Program{Name: name, Main: run} }

// run is the parent program. Its argument are the Options, in JSON. It returns the
// exit status.
func run(args []string) int {
	// Nothing may be collected or grown while the kernel is read.
	debug.SetGCPercent(-1)
	// Go would end the program at a SIGPIPE on its standard output, which is
	// how a parent learns that its harness is gone; it ends in order instead.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGINT, syscall.SIGHUP)
	p, err := newParent(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "parent:", err)
		return 1
	}
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	reply := Reply{PID: os.Getpid()}
	for {
		if err := out.Encode(reply); err != nil {
			break
		}
		var o Order
		if err := in.Decode(&o); err != nil {
			if !errors.Is(err, io.EOF) {
				fmt.Fprintln(os.Stderr, "parent: reading an order:", err)
			}
			break
		}
		reply = p.do(o)
	}
	// The harness is done with this parent, or is no more: what lives ends with
	// it, as it held the pipes, and nothing is left to others.
	collectAny()
	return 0
}

type parent struct {
	options  Options
	true     string
	cat      string
	null     int
	children []int // started and not collected, in the order of their start
}

func newParent(args []string) (*parent, error) {
	if len(args) != 1 {
		return nil, errors.New("this command is for zombench itself")
	}
	p := &parent{}
	err := json.Unmarshal([]byte(args[0]), &p.options)
	if o := p.options; err != nil || o.Parallel < 1 || o.UID < 0 {
		return nil, fmt.Errorf("options %s: %w", args[0], cmp.Or(err, error(unix.EINVAL)))
	}
	if p.true, err = exec.LookPath("true"); err != nil {
		return nil, err
	}
	if p.cat, err = exec.LookPath("cat"); err != nil {
		return nil, err
	}
	if p.null, err = syscall.Open(os.DevNull, syscall.O_RDWR|syscall.O_CLOEXEC, 0); err != nil {
		return nil, err
	}
	for _, fd := range []int{holdFD, childIn, childOut} {
		unix.CloseOnExec(fd)
	}
	if p.options.Subreaper {
		if err := daemon.BecomeSubreaper(); err != nil {
			return nil, err
		}
	}
	if uid := p.options.UID; uid != 0 {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(uid), syscall.Setuid(uid)); err != nil {
			return nil, fmt.Errorf("becoming user %d: %w", uid, err)
		}
	}
	// The first child and the threads are paid for before anybody measures.
	if r := p.cycle(1); r.Error != "" {
		return nil, fmt.Errorf("starting the first child: %s", r.Error)
	}
	threads.Reserve(p.options.Parallel + spareThreads + runtime.GOMAXPROCS(0))
	return p, nil
}

func (p *parent) do(o Order) Reply {
	var r Reply
	switch o.Do {
	case Raise:
		r = p.raise(o.Count)
	case SpawnLiving:
		r = p.spawnLiving(o.Count)
	case Collect:
		if o.How == Any {
			r.Ended = collectAny()
		} else {
			r.Ended = p.collectEach()
		}
		p.children = nil
	case Dispose:
		r.Error = errorName(dispose(o.How))
	case Try:
		r = p.cycle(1)
	case Cycle:
		r = p.cycle(o.Count)
	case SpawnParent:
		r = p.spawnParent(o)
	case NProc:
		limit := unix.Rlimit{Cur: uint64(o.Count), Max: uint64(o.Count)}
		r.Error = errorName(unix.Setrlimit(unix.RLIMIT_NPROC, &limit))
	case PidMax:
		r.Error = errorName(os.WriteFile("/proc/sys/kernel/pid_max", []byte(strconv.Itoa(o.Count)), 0))
	case Textbook:
		steps, err := WaitInOrder(systemClock{}, o.How, o.Count, time.Duration(o.StepNs))
		r.Steps, r.Error = steps, errorName(err)
	default:
		r.Error = fmt.Sprintf("no order is called %q", o.Do)
	}
	return r
}

// start starts a program with a descriptor as standard input.
func (p *parent) start(path string, stdin int, arg ...string) (int, error) {
	fds := []uintptr{uintptr(stdin), uintptr(p.null), uintptr(p.null)}
	return syscall.ForkExec(path, append([]string{path}, arg...), &syscall.ProcAttr{Files: fds})
}

// raise starts children that end at once, up to parallel of them at a time,
// and returns when each is dead or gone. It stops at the first that fails.
func (p *parent) raise(count int) Reply {
	pids := make([]int, count)
	var next, standing, gone atomic.Int64
	errs := make(chan error, p.options.Parallel) // each worker has one at most
	var workers sync.WaitGroup
	for range p.options.Parallel {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= count {
					return
				}
				pid, err := p.start(p.true, p.null)
				if err == nil {
					pids[i] = pid
					switch err = waitid(unix.P_PID, pid, unix.WEXITED|unix.WNOWAIT); err {
					case nil:
						standing.Add(1)
					case unix.ECHILD:
						awaitGone(pid)
						gone.Add(1)
						err = nil
					}
				}
				if err != nil {
					next.Store(int64(count))
					errs <- err
					return
				}
			}
		})
	}
	workers.Wait()
	close(errs)
	r := Reply{Standing: int(standing.Load()), Gone: int(gone.Load()), Error: errorName(<-errs)}
	for _, pid := range pids {
		if pid != 0 {
			r.PIDs = append(r.PIDs, pid)
		}
	}
	p.children = append(p.children, r.PIDs...)
	return r
}

// awaitGone waits until a child that the kernel collects by itself is out of
// its books: waitid says that there is none a moment before, while the child
// is still charged (release_task in kernel/exit.c).
func awaitGone(pid int) {
	for unix.Kill(pid, 0) == nil {
		runtime.Gosched()
	}
}

func (p *parent) spawnLiving(count int) Reply {
	var r Reply
	for range count {
		pid, err := p.start(p.cat, holdFD)
		if err != nil {
			r.Error = errorName(err)
			break
		}
		p.children = append(p.children, pid)
		r.PIDs = append(r.PIDs, pid)
		r.Standing++
	}
	return r
}

func (p *parent) collectEach() (n int) {
	for _, pid := range p.children {
		if waitid(unix.P_PID, pid, unix.WEXITED) == nil {
			n++
		}
	}
	return n
}

// collectAny waits for any child until there is none.
func collectAny() (n int) {
	for waitid(unix.P_ALL, 0, unix.WEXITED) == nil {
		n++
	}
	return n
}

func (p *parent) cycle(count int) Reply {
	var r Reply
	for range count {
		pid, err := p.start(p.true, p.null)
		if err == nil {
			r.PIDs = append(r.PIDs, pid)
			err = waitid(unix.P_PID, pid, unix.WEXITED)
		}
		if err != nil {
			r.Error = errorName(err)
			break
		}
		r.Ended++
	}
	return r
}

// spawnParent starts another parent on the second pair of pipes. That one spawns
// none itself.
func (p *parent) spawnParent(o Order) Reply {
	attr := &syscall.ProcAttr{
		Env: os.Environ(),
		Files: []uintptr{childIn, childOut, 2, holdFD,
			uintptr(p.null), uintptr(p.null)},
		Sys: &syscall.SysProcAttr{},
	}
	if o.Pidns {
		attr.Sys.Cloneflags = unix.CLONE_NEWPID
	}
	// It is the user that its parent has become.
	options, err := json.Marshal(Options{Parallel: p.options.Parallel})
	if err != nil {
		return Reply{Error: err.Error()}
	}
	pid, err := syscall.ForkExec("/proc/self/exe", []string{name, string(options)}, attr)
	if err != nil {
		return Reply{Error: errorName(err)}
	}
	return Reply{PID: pid}
}

func waitid(kind, id, options int) error {
	_, err := wait.ID(kind, id, options)
	return err
}

// errorName is "" for no error, the errno's name where there is one, and else
// the error's text.
func errorName(err error) string {
	if err == nil {
		return ""
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		if name := unix.ErrnoName(errno); name != "" {
			return name
		}
	}
	return err.Error()
}
