package guest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A mount is a file system that a guest has.
type mount struct {
	fstype, dir string
	flags       uintptr
	data        string
	optional    bool // a kernel may be built without it
}

const safe = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// mounts are in order: each may need the ones before it.
var mounts = []mount{
	{fstype: "proc", dir: "/proc", flags: safe},
	{fstype: "sysfs", dir: "/sys", flags: safe},
	{fstype: "cgroup2", dir: "/sys/fs/cgroup", flags: safe},
	{fstype: "tracefs", dir: "/sys/kernel/tracing", flags: safe, optional: true},
	{fstype: "tmpfs", dir: "/tmp", flags: unix.MS_NOSUID | unix.MS_NODEV, data: "mode=1777"},
	{fstype: "tmpfs", dir: "/run", flags: unix.MS_NOSUID | unix.MS_NODEV, data: "mode=0755"},
	{fstype: "devpts", dir: "/dev/pts", flags: unix.MS_NOSUID | unix.MS_NOEXEC, data: "ptmxmode=0666", optional: true},
}

func (m mount) do() error {
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(m.fstype, m.dir, m.fstype, m.flags, m.data); err != nil {
		return fmt.Errorf("mounting %s on %s: %w", m.fstype, m.dir, err)
	}
	return nil
}

// mountDev gives the guest its device nodes, the console first of all.
func mountDev() error {
	err := mount{fstype: "devtmpfs", dir: "/dev", flags: unix.MS_NOSUID, data: "mode=0755"}.do()
	if errors.Is(err, unix.EBUSY) { // CONFIG_DEVTMPFS_MOUNT has done it
		return nil
	}
	return err
}

// prepare makes of the bare kernel what measurements expect: file systems,
// cgroups, and limits out of the way. What is missing without harm is only
// told to warn.
func prepare(warn io.Writer) error {
	for _, m := range mounts {
		if err := m.do(); err != nil {
			if !m.optional {
				return err
			}
			fmt.Fprintf(warn, "guest: %v\n", err)
		}
	}
	for _, c := range []string{"pids", "memory"} {
		if err := enable("/sys/fs/cgroup", c); err != nil {
			fmt.Fprintf(warn, "guest: %v\n", err)
		}
	}
	if err := leaveRoot("/sys/fs/cgroup/init.scope"); err != nil {
		fmt.Fprintf(warn, "guest: %v\n", err)
	}
	for _, s := range []struct {
		name   string
		values []string // the first that the kernel takes
	}{
		// proc(5): 32-bit kernels take at most 32768.
		{"kernel/pid_max", []string{"4194304", "32768"}},
		{"kernel/threads-max", []string{"4194304", "1000000", "100000", "32768"}},
		{"kernel/panic_on_oops", []string{"1"}}, // an oops must not become a hang
	} {
		if err := sysctl(s.name, s.values); err != nil {
			fmt.Fprintf(warn, "guest: %v\n", err)
		}
	}
	for _, l := range []struct {
		name     string
		resource int
		value    uint64
	}{
		{"RLIMIT_NOFILE", unix.RLIMIT_NOFILE, 1 << 20}, // fs.nr_open
		{"RLIMIT_NPROC", unix.RLIMIT_NPROC, unix.RLIM_INFINITY},
	} {
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			fmt.Fprintf(warn, "guest: raising %s: %v\n", l.name, err)
		}
	}
	if err := loopbackUp(); err != nil {
		fmt.Fprintf(warn, "guest: bringing up lo: %v\n", err)
	}
	unix.Umask(0o022)
	return nil
}

// leaveRoot moves this process into a cgroup of its own, as any process is under a
// service manager. In the root cgroup nothing is charged for what it does, and a CPU's
// stock of charges stays with the army. What is freed while that is in use is given
// back when it passes to another cgroup (refill_obj_stock in mm/memcontrol.c): on
// 7.3-rt a megabyte of 8000 zombies remained charged after the reap.
func leaveRoot(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0)
}

// enable hands a controller of the cgroup at dir to its children.
func enable(dir, controller string) error {
	have, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, c := range strings.Fields(string(have)) {
		if c == controller {
			return os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0)
		}
	}
	return fmt.Errorf("this kernel has no cgroup controller %s", controller)
}

func sysctl(name string, values []string) error {
	var errs error
	for _, v := range values {
		err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(v), 0)
		if err == nil {
			return nil
		}
		errs = errors.Join(errs, err)
	}
	return fmt.Errorf("setting %s: %w", strings.ReplaceAll(name, "/", "."), errs)
}

// loopbackUp brings up lo: netdevice(7).
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}
