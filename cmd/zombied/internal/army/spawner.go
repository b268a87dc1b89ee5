package army

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"zombench/cmd/zombied/internal/clone"
	"zombench/cmd/zombied/internal/program"

	"golang.org/x/sys/unix"
)

// A Spawner is a way of starting children that end by themselves.
type Spawner interface {
	// Spawn starts one child for each element of pids, and puts its pid there.
	// It returns how many it has started: fewer than all, with an error, if
	// one could not be. It is called on many locked threads at the same time.
	Spawn(pids []int32) (n int, err error)

	// DieAtOnce reports whether a child's whole life is one system call, so that
	// nobody has to wait for its death before the next one is started. Other
	// children are asked for one at a time.
	DieAtOnce() bool

	// Prepare takes beforehand what the program itself will hold for its
	// children besides what each child takes in the kernel.
	Prepare(count int)

	// Release gives back what the program itself holds for its children,
	// before they are collected.
	Release()
}

// oneByOne starts children by a function that starts one.
func oneByOne(pids []int32, start func() (pid int, err error)) (n int, err error) {
	for i := range pids {
		pid, err := start()
		if err != nil {
			return i, err
		}
		pids[i] = int32(pid)
	}
	return len(pids), nil
}

// SpawnerNames lists the ways of spawning that NewSpawner knows, the default first.
func SpawnerNames() []string { return []string{"exec", "os-exec", "clone"} }

// NewSpawner returns the way of spawning of a name. program finds the path of what
// children execute, and is asked only if they do.
func NewSpawner(name string, program func() (string, error)) (Spawner, error) {
	if !slices.Contains(SpawnerNames(), name) {
		return nil, fmt.Errorf("%q is not one of %s", name, strings.Join(SpawnerNames(), ", "))
	}
	if !Executes(name) {
		return cloneSpawner{}, nil
	}
	path, err := program()
	if err != nil {
		return nil, err
	}
	if name == "os-exec" {
		return &osExecSpawner{path: path}, nil
	}
	return newExecSpawner(path)
}

// Executes reports whether children that are started in this way execute a program.
func Executes(spawn string) bool { return spawn != "clone" }

// An execSpawner starts a program by fork and exec, with no more than
// that takes: no environment, no descriptors but /dev/null three times, no
// pidfd.
type execSpawner struct {
	path string
	argv []string
	attr syscall.ProcAttr
}

func newExecSpawner(path string) (Spawner, error) {
	// Open for as long as the program runs.
	null, err := syscall.Open(os.DevNull, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening %s for the children: %w", os.DevNull, err)
	}
	fd := uintptr(null)
	return &execSpawner{path: path, argv: []string{program.Argv0}, attr: syscall.ProcAttr{Files: []uintptr{fd, fd, fd}}}, nil
}

func (s *execSpawner) Spawn(pids []int32) (int, error) {
	return oneByOne(pids, func() (int, error) { return syscall.ForkExec(s.path, s.argv, &s.attr) })
}

func (s *execSpawner) DieAtOnce() bool { return false }
func (s *execSpawner) Prepare(int)     {}
func (s *execSpawner) Release()        {}

// An osExecSpawner starts a program as Go code commonly does, by
// exec.Cmd.Start, and like a program that forgot to call Wait it keeps the
// Cmds. Since Go 1.23 each of them holds a pidfd.
type osExecSpawner struct {
	path string
	mu   sync.Mutex
	cmds []*exec.Cmd
}

func (s *osExecSpawner) Spawn(pids []int32) (int, error) { return oneByOne(pids, s.start) }

func (s *osExecSpawner) start() (int, error) {
	cmd := &exec.Cmd{Path: s.path, Args: []string{program.Argv0}}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	s.cmds = append(s.cmds, cmd)
	s.mu.Unlock()
	return cmd.Process.Pid, nil
}

func (s *osExecSpawner) DieAtOnce() bool { return false }

// Prepare makes the table of descriptors and the heap as large as they will be.
// Neither shrinks again: the table and the heap's page tables would be kernel
// memory that is still there when the army is gone.
func (s *osExecSpawner) Prepare(count int) {
	const bytesPerCmd = 4 << 10 // of the Go heap; 2 to 3 KiB were seen
	var descriptors unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &descriptors); err == nil && uint64(count) > descriptors.Cur {
		count = int(descriptors.Cur) // more cannot come
	}
	s.cmds = make([]*exec.Cmd, 0, count)
	heap := make([]byte, count*bytesPerCmd)
	for i := 0; i < len(heap); i += os.Getpagesize() {
		heap[i] = 1
	}
	runtime.KeepAlive(heap)
	if fd, err := unix.FcntlInt(os.Stdin.Fd(), unix.F_DUPFD_CLOEXEC, count+64); err == nil {
		unix.Close(fd)
	} // or the limit is too low, which shows soon enough
}

// Release closes the pidfds and gives the Cmds to the garbage collector.
func (s *osExecSpawner) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cmd := range s.cmds {
		_ = cmd.Process.Release()
	}
	clear(s.cmds)
	s.cmds = s.cmds[:0]
	runtime.GC()
}

// A cloneSpawner starts children that are nothing but the exit system call.
type cloneSpawner struct{}

func (cloneSpawner) Spawn(pids []int32) (int, error) { return clone.Exited(pids) }
func (cloneSpawner) DieAtOnce() bool                 { return true }
func (cloneSpawner) Prepare(int)                     {}
func (cloneSpawner) Release()                        {}
