package pidns

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/reexec"
	"zombench/measure"
)

// A Keeper is the inits of nested pid namespaces that outlive their program and
// reap nothing before they are told to: zombies that fall to the innermost stay
// as they are.
//
// Its methods are not safe for concurrent use.
type Keeper struct {
	levels int
	orders *os.File
	theirs *os.File // their end, until they are started
	pids   []int    // of the inits, the outermost first
	fs     measure.FS
}

// keeperFD is where the innermost init finds the orders: behind what the command
// itself is given, it is the first of its ExtraFiles.
const keeperFD = 3

// Keep changes a command that was not started and has no ExtraFiles so that its
// program runs in levels nested pid namespaces, under inits that keep.
func Keep(cmd *exec.Cmd, levels int) (*Keeper, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("making a socket for the init of a pid namespace: %w", err)
	}
	k := &Keeper{levels: levels, orders: os.NewFile(uintptr(pair[0]), "orders"), theirs: os.NewFile(uintptr(pair[1]), "orders")}
	cmd.ExtraFiles = []*os.File{k.theirs}
	wrap(cmd, keeperName, levels)
	return k, nil
}

// keeperName is the argument zero of an init that keeps.
const keeperName = "zombench-pidns-keeper"

// KeeperProgram is that, for main to dispatch.
func KeeperProgram() reexec.Program {
	return reexec.Program{Name: keeperName, Main: func(args []string) int { return keep(os.Stderr, args) }}
}

// Await waits until the program is started; first is the command's own pid.
// ended is closed when that has ended.
func (k *Keeper) Await(ctx context.Context, fs measure.FS, first int, ended <-chan struct{}) error {
	k.fs = fs
	k.theirs.Close()
	pid := first
	for level := range k.levels {
		k.pids = append(k.pids, pid)
		next, err := Find(ctx, fs, pid, 1, ended)
		if err != nil {
			return fmt.Errorf("level %d of pid namespaces: %w", level+1, err)
		}
		pid = next
	}
	return nil
}

// Tasks counts the tasks that the inits are.
func (k *Keeper) Tasks() (n int, err error) {
	for _, pid := range k.pids {
		init, err := k.fs.Process(pid)
		if err != nil {
			return 0, err
		}
		n += init.Threads
	}
	return n, nil
}

// Without returns those pids that are no init of ours.
func (k *Keeper) Without(pids []int) []int {
	return slices.DeleteFunc(slices.Clone(pids), func(pid int) bool { return slices.Contains(k.pids, pid) })
}

// Ended returns how the program ended, once it has, and has it reaped: whoever
// started it would have waited for it.
func (k *Keeper) Ended(ctx context.Context) (status unix.WaitStatus, ended bool, err error) {
	reply, err := k.order(ctx, orderProgram)
	return unix.WaitStatus(reply), err == nil && reply != lives, err
}

// Collect has the innermost init reap up to n zombies, and returns how many
// there were.
func (k *Keeper) Collect(ctx context.Context, n int) (int, error) {
	for i := range n {
		reply, err := k.order(ctx, orderAny)
		if err != nil || reply == lives {
			return i, err
		}
	}
	return n, nil
}

// What the innermost init is ordered to reap. It answers with the status by
// wait(2) in four bytes.
const (
	orderAny     = 'a' // any one zombie
	orderProgram = 'p' // the program
)

// lives is the answer if what was to be reaped has not ended.
const lives = math.MaxUint32

func (k *Keeper) order(ctx context.Context, what byte) (uint32, error) {
	stop := context.AfterFunc(ctx, func() { _ = k.orders.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var reply [4]byte
	_, err := k.orders.Write([]byte{what})
	if err == nil {
		_, err = io.ReadFull(k.orders, reply[:])
	}
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case err != nil:
		return 0, fmt.Errorf("having the init of a pid namespace reap: %w", err)
	}
	return binary.NativeEndian.Uint32(reply[:]), nil
}

// Close ends the inits, and with them their namespaces.
func (k *Keeper) Close() error {
	k.theirs.Close() // of no effect once they were started
	return k.orders.Close()
}

// keep is an init that keeps. An outer one waits for the next; the innermost
// follows orders, and ends with the socket.
func keep(stderr io.Writer, args []string) int {
	if len(args) == 0 || args[0] != strconv.Itoa(1) {
		return run(stderr, keeperName, args)
	}
	// No thread may come or go while zombies are counted.
	quiet()
	unix.CloseOnExec(keeperFD)
	program, err := start(keeperName, args)
	if err != nil {
		fmt.Fprintf(stderr, "init of a pid namespace: %v\n", err)
		return failed
	}
	end := uint32(lives) // the program's status, once it was reaped
	for order := make([]byte, 1); ; {
		n, err := unix.Read(keeperFD, order)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN: // the other end made it non-blocking
			_, _ = unix.Poll([]unix.PollFd{{Fd: keeperFD, Events: unix.POLLIN}}, -1)
			continue
		case err != nil || n == 0:
			return 0
		}
		answer, which := uint32(lives), -1
		if order[0] == orderProgram {
			answer, which = end, program
		}
		if answer == lives {
			var status unix.WaitStatus
			pid, err := unix.Wait4(which, &status, unix.WNOHANG, nil)
			if err == nil && pid > 0 {
				answer = uint32(status)
			}
			if err == nil && pid == program {
				end = answer
			}
		}
		if _, err := unix.Write(keeperFD, binary.NativeEndian.AppendUint32(nil, answer)); err != nil {
			return 0
		}
	}
}
