package measuretest

import (
	"fmt"
	"maps"
	"strings"
	"syscall"
	"testing"
)

// A Task is a process of a fixture.
type Task struct {
	PID, PPid int
	Name      string
	State     byte
	Threads   int    // default: 1
	Start     int    // clock ticks after boot
	Command   string // its cmdline, zero bytes as spaces
	Cgroup    string
	NSpid     string // default: its pid
	Signals   string // lines of status that tell of them, see SIGCHLD; default: none blocked, ignored or caught
}

// Files are those of the process, by their path from the directory that Proc
// is in.
func (p Task) Files() map[string]string {
	if p.Threads == 0 {
		p.Threads = 1
	}
	if p.NSpid == "" {
		p.NSpid = fmt.Sprint(p.PID)
	}
	if p.Signals == "" {
		p.Signals = SIGCHLD("", 0)
	}
	dir := fmt.Sprintf("%s/%d/", Proc, p.PID)
	return map[string]string{
		dir + "stat": fmt.Sprintf("%d (%s) %c %d 1 1 0 -1 4227084 0 0 0 0 0 0 0 0 20 0 %d 0 %d 0 0 0\n",
			p.PID, p.Name, p.State, p.PPid, p.Threads, p.Start),
		dir + "status": fmt.Sprintf("Name:\t%s\nState:\t%c (x)\nPid:\t%d\nPPid:\t%d\nUid:\t1000\t1000\t1000\t1000\nNSpid:\t%s\nNSpgid:\t1\nNSsid:\t1\nThreads:\t%d\n%sCapEff:\t0000000000000000\n",
			p.Name, p.State, p.PID, p.PPid, p.NSpid, p.Threads, p.Signals),
		dir + "cmdline": strings.ReplaceAll(p.Command, " ", "\x00"),
		dir + "cgroup":  "0::" + p.Cgroup + "\n",
	}
}

// SIGCHLD are the lines of status that tell of signals, with SIGCHLD in one of
// them, and other signals beside it.
func SIGCHLD(line string, others uint64) string {
	s := ""
	for _, name := range []string{"SigBlk", "SigIgn", "SigCgt"} {
		mask := uint64(0)
		if name == line {
			mask = others | 1<<(syscall.SIGCHLD-1)
		}
		s += fmt.Sprintf("%s:\t%016x\n", name, mask)
	}
	return s
}

// Where the files of Machine are.
const (
	Proc = "proc"
	Sys  = "sys"
	Root = "root"
)

// Machine lays out a small machine in files, a user's shell (400) on a desktop
// with systemd, and more processes; change replaces files, and removes those
// whose text is "absent". Its paths are relative to a new working directory, so
// what is said of them is as long in every run.
func Machine(tb testing.TB, tasks []Task, change map[string]string) {
	tb.Helper()
	tb.Chdir(tb.TempDir())
	unit := "root/sys/fs/cgroup/user.slice/user-1000.slice/"
	files := map[string]string{
		"proc/uptime":                                  "1000000.00 1.00\n",
		"proc/meminfo":                                 "MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 4194304 kB\nSlab: 3 kB\nSReclaimable: 1 kB\nSUnreclaim: 2 kB\nKernelStack: 1 kB\nPageTables: 1 kB\n",
		"proc/loadavg":                                 "0.00 0.00 0.00 1/107 4493\n",
		"proc/cpuinfo":                                 "model name : A CPU\n",
		"proc/sys/kernel/pid_max":                      "32768\n",
		"proc/sys/kernel/threads-max":                  "63000\n",
		"proc/sys/kernel/osrelease":                    "1.2.3-test\n",
		"proc/self":                                    "-> 400",
		"proc/400/limits":                              "Max processes             31000                31000                processes \nMax open files            1024                 4096                 files     \n",
		"proc/400/mountinfo":                           "30 29 0:27 / /sys/fs/cgroup rw,relatime - cgroup2 none rw\n",
		"proc/400/ns/user":                             "-> user:[4026531837]",
		"proc/400/ns/pid":                              "-> pid:[4026531836]",
		"sys/devices/system/cpu/online":                "0-1\n",
		"sys/devices/system/cpu/possible":              "0-1\n",
		"root/sys/fs/cgroup/cgroup.controllers":        "memory pids\n",
		"root/sys/fs/cgroup/user.slice/pids.max":       "max\n",
		"root/sys/fs/cgroup/user.slice/pids.current":   "20\n",
		"root/sys/fs/cgroup/user.slice/memory.max":     "max\n",
		"root/sys/fs/cgroup/user.slice/memory.current": "1000\n",
		"root/sys/fs/cgroup/user.slice/memory.stat":    "inactive_file 0\n",
		unit + "pids.max":                              "18638\n",
		unit + "pids.current":                          "12\n",
		unit + "memory.max":                            "2147483648\n",
		unit + "memory.current":                        "73741824\n",
		unit + "memory.stat":                           "inactive_file 0\n",
	}
	tasks = append([]Task{
		{PID: 1, Name: "systemd", State: 'S', Start: 1, Command: "/sbin/init", Cgroup: "/init.scope", Signals: SIGCHLD("SigBlk", 0x4000)},
		{PID: 400, PPid: 1, Name: "bash", State: 'S', Start: 100, Command: "-bash", Cgroup: "/user.slice/user-1000.slice"},
	}, tasks...)
	for _, p := range tasks {
		maps.Copy(files, p.Files())
	}
	maps.Copy(files, change)
	maps.DeleteFunc(files, func(_, text string) bool { return text == "absent" })
	Put(tb, ".", files)
}
