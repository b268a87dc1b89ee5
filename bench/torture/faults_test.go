package torture

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"zombench/bench/reexec"
)

// A fault is something that befalls a run. Both functions may be nil.
type fault struct {
	name    string
	prepare func(*run) error // before the run starts
	inject  func(*run) error // at the moment
}

// faults are all that are drawn from.
var faults = append(signals,
	fault{"disk full", fullDisk, nil},
	fault{"I/O error", ioError, nil},
	fault{"out of memory", littleMemory, nil},
	fault{"RLIMIT_NOFILE", nil, func(r *run) error { return r.limit(unix.RLIMIT_NOFILE, 4+r.rng.Uint64N(20)) }},
	fault{"RLIMIT_NPROC", nil, func(r *run) error { return r.limit(unix.RLIMIT_NPROC, r.rng.Uint64N(4)) }},
	fault{"pids.max", nil, fewPids},
	fault{"hidepid", nil, hidePids},
	fault{"cgroups read-only", nil, readOnlyCgroups},
	fault{"second run", nil, secondRun},
	fault{"hostile", nil, hostile},
	fault{"clock", nil, jump},
)

// signals are the faults of which two may come at once.
var signals = func() (all []fault) {
	for _, victim := range []string{harness, janitor, child} {
		for _, sig := range []unix.Signal{unix.SIGKILL, unix.SIGTERM, unix.SIGSTOP} {
			all = append(all, fault{name: unix.SignalName(sig) + " " + victim, inject: func(r *run) error { return r.signal(victim, sig) }})
		}
	}
	return append(all, fault{name: "SIGINT " + harness, inject: func(r *run) error { return r.signal(harness, unix.SIGINT) }})
}()

// Whom a signal is sent to. A child is whatever else the run has started: the
// daemon, an init, a parent, a guest's QEMU.
const (
	harness = "harness"
	janitor = "janitor"
	child   = "child"
)

// victim returns the pid of one of the run's processes; 0 if there is none.
func (r *run) victim(who string) int {
	var others []int
	for _, pid := range r.living() {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		is := child
		if pid == r.cmd.Process.Pid {
			is = harness
		} else if bytes.HasPrefix(name, []byte("zombench-janitor\x00")) {
			is = janitor
		}
		if is == who {
			others = append(others, pid)
		}
	}
	if len(others) == 0 {
		return 0
	}
	return others[r.rng.IntN(len(others))]
}

// signal sends a signal to one of the run's processes. One that was stopped goes
// on some time later.
func (r *run) signal(who string, sig unix.Signal) error {
	pid := r.victim(who)
	if pid == 0 {
		return nil
	}
	fd, err := unix.PidfdOpen(pid, 0) // what ends meanwhile gives its pid to nobody else
	if err != nil {
		return nil
	}
	_ = unix.PidfdSendSignal(fd, sig, nil, 0)
	if sig == unix.SIGKILL {
		r.killed = append(r.killed, who)
	}
	if sig == unix.SIGSTOP {
		r.resume = append(r.resume, func() {
			_ = unix.PidfdSendSignal(fd, unix.SIGCONT, nil, 0)
			unix.Close(fd)
		})
		return nil
	}
	return unix.Close(fd)
}

// fullDisk has the results go to a file system of some pages.
func fullDisk(r *run) error {
	fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fs)
	if err := unix.FsconfigSetString(fs, "size", strconv.Itoa((1+r.rng.IntN(3))*os.Getpagesize())); err != nil {
		return err
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return err
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0) // attached nowhere: it goes with its descriptors
	if err != nil {
		return err
	}
	dir := os.NewFile(uintptr(mount), "full")
	r.cmd.ExtraFiles = []*os.File{dir}
	r.undo = append(r.undo, func() { dir.Close() })
	if r.results != "" { // those of kernels lie in a directory, and are not read
		r.results = filepath.Join("/proc/self/fd", strconv.Itoa(mount), "out.txt") // as we see it
	}
	r.out = "/proc/self/fd/3/out.txt"
	return nil
}

// ioError has the results go to a terminal that is gone: write(2) says EIO.
func ioError(r *run) error {
	master, slave, err := pty.Open()
	if err != nil {
		return err
	}
	defer master.Close()
	r.cmd.ExtraFiles = []*os.File{slave}
	r.undo = append(r.undo, func() { slave.Close() })
	r.results, r.out = "", "/proc/self/fd/3"
	return nil
}

// littleMemory lets the kernel kill one of the run's processes after the other.
func littleMemory(r *run) error {
	memory, ok := r.cgroup.Memory()
	if !ok {
		return nil
	}
	file := map[int]string{1: "memory.limit_in_bytes", 2: "memory.max"}[memory.Version]
	r.anyKilled = true
	r.relax(memory.Dir, file, map[int]string{1: "-1", 2: "max"}[memory.Version])
	return os.WriteFile(filepath.Join(memory.Dir, file), []byte(strconv.Itoa((8+r.rng.IntN(56))<<20)), 0)
}

// fewPids leaves the run few pids, or none.
func fewPids(r *run) error {
	dir := r.cgroup.Pids().Dir
	now, err := r.cgroup.Pids().Current()
	if err != nil {
		return err
	}
	r.relax(dir, "pids.max", "max")
	return os.WriteFile(filepath.Join(dir, "pids.max"), []byte(strconv.FormatUint(now+r.rng.Uint64N(50), 10)), 0)
}

// relax puts a limit back before what the run left is looked at.
func (r *run) relax(dir, file, value string) {
	r.undo = append(r.undo, func() { _ = os.WriteFile(filepath.Join(dir, file), []byte(value), 0) })
}

func (r *run) limit(resource int, value uint64) error {
	err := unix.Prlimit(r.cmd.Process.Pid, resource, &unix.Rlimit{Cur: value, Max: value}, nil)
	if err == unix.ESRCH {
		return nil
	}
	return err
}

// hidePids has the run see a /proc as those do who may not look at others.
func hidePids(r *run) error {
	return r.inMountNamespace(func() error {
		return unix.Mount("proc", "/proc", "proc", 0, "hidepid=2")
	})
}

// readOnlyCgroups takes the run's right to make and remove cgroups, and its
// janitor's: what is left then is the next run's to remove.
func readOnlyCgroups(r *run) error {
	r.anyKilled = true
	return r.inMountNamespace(func() error {
		for _, dir := range cgroupMounts() {
			if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
				return fmt.Errorf("%s: %w", dir, err)
			}
		}
		return nil
	})
}

// inMountNamespace calls f in the run's mount namespace, on a thread that ends
// with it: any but the main one, which is what /proc/self shows.
func (r *run) inMountNamespace(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			done <- r.inMountNamespace(f) // elsewhere, as we hold this one
			runtime.UnlockOSThread()
			return
		}
		ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", r.cmd.Process.Pid))
		if err != nil { // it has ended
			done <- nil
			return
		}
		defer ns.Close()
		if err = unix.Unshare(unix.CLONE_FS); err == nil {
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNS)
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// secondRun starts another run meanwhile, which has to be refused.
func secondRun(r *run) error {
	second := exec.Command(r.cmd.Path, workloads[0].command(r.zombied, r.lock, filepath.Join(r.dir, "second.txt"))...)
	second.Env = r.cmd.Env
	out, err := second.CombinedOutput()
	if r.alive() && (err == nil || !bytes.Contains(out, []byte("another run is under way"))) && r.workload.name != "kernels" {
		return fmt.Errorf("a second run was not refused: %v\n%s", err, out)
	}
	return nil
}

// stranger lives for a while.
var stranger = reexec.Program{Name: "zombench-torture-stranger", Main: func([]string) int {
	time.Sleep(200 * time.Millisecond)
	return 0
}}

// hostile joins the run's cgroups, signals its daemon, and kills its children.
func hostile(r *run) error {
	until := time.Now().Add(time.Duration(r.rng.IntN(500)) * time.Millisecond)
	for time.Now().Before(until) && r.alive() {
		if dirs := r.trials(); len(dirs) > 0 && r.rng.IntN(4) == 0 {
			cmd := reexec.Command(stranger.Name)
			if err := cmd.Start(); err != nil {
				return err
			}
			_ = os.WriteFile(filepath.Join(dirs[r.rng.IntN(len(dirs))], "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0)
			r.strangers = append(r.strangers, cmd)
		}
		sigs := []unix.Signal{unix.SIGUSR1, unix.SIGUSR2, unix.SIGCHLD, unix.SIGKILL}
		if pid := r.victim(child); pid != 0 {
			sig := sigs[r.rng.IntN(len(sigs))]
			_ = unix.Kill(pid, sig)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

// jump sets the clock an hour forth or back. Only a guest's is ours to set.
func jump(r *run) error {
	if !*inGuest {
		return nil
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME, &now); err != nil {
		return err
	}
	now.Sec += []int64{-3600, 3600}[r.rng.IntN(2)]
	return unix.ClockSettime(unix.CLOCK_REALTIME, &now)
}
