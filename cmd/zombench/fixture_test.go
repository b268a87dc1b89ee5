package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/measure"
)

// put writes files below dir; a text that begins with "-> " makes a link.
func put(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A task is a process of a fixture.
type task struct {
	pid, ppid int
	name      string
	state     byte
	threads   int
	start     int    // clock ticks after boot
	command   string // its cmdline, zero bytes as spaces
	cgroup    string
	nspid     string // default: its pid
	signals   string // lines of status that tell of them; default: none blocked, ignored or caught
}

func (p task) files() map[string]string {
	if p.threads == 0 {
		p.threads = 1
	}
	if p.nspid == "" {
		p.nspid = fmt.Sprint(p.pid)
	}
	if p.signals == "" {
		p.signals = signals("SigIgn", 0)
	}
	dir := fmt.Sprintf("proc/%d/", p.pid)
	return map[string]string{
		dir + "stat": fmt.Sprintf("%d (%s) %c %d 1 1 0 -1 4227084 0 0 0 0 0 0 0 0 20 0 %d 0 %d 0 0 0\n",
			p.pid, p.name, p.state, p.ppid, p.threads, p.start),
		dir + "status": fmt.Sprintf("Name:\t%s\nState:\t%c (x)\nPid:\t%d\nPPid:\t%d\nUid:\t1000\t1000\t1000\t1000\nNSpid:\t%s\nNSpgid:\t1\nNSsid:\t1\nThreads:\t%d\n%sCapEff:\t0000000000000000\n",
			p.name, p.state, p.pid, p.ppid, p.nspid, p.threads, p.signals),
		dir + "cmdline": strings.ReplaceAll(p.command, " ", "\x00"),
		dir + "cgroup":  "0::" + p.cgroup + "\n",
	}
}

// signals are the lines of status that tell of signals, with SIGCHLD in one of
// them and the given others.
func signals(line string, others uint64) string {
	s := ""
	for _, name := range []string{"SigBlk", "SigIgn", "SigCgt"} {
		mask := uint64(0)
		if name == line && others != 0 {
			mask = others | 1<<(sigchld-1)
		}
		s += fmt.Sprintf("%s:\t%016x\n", name, mask)
	}
	return s
}

// machine is a small machine in files, a user's shell on a desktop with
// systemd. Its paths are relative to a new working directory, so what is said of
// them is as long in every run.
func machine(t testing.TB, tasks []task, change map[string]string) measure.FS {
	t.Helper()
	t.Chdir(t.TempDir())
	unit := "root/sys/fs/cgroup/user.slice/user-1000.slice/"
	files := map[string]string{
		"proc/uptime":                                  "1000000.00 1.00\n",
		"proc/meminfo":                                 "MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 4194304 kB\nSlab: 3 kB\nSReclaimable: 1 kB\nSUnreclaim: 2 kB\nKernelStack: 1 kB\nPageTables: 1 kB\n",
		"proc/loadavg":                                 "0.00 0.00 0.00 1/107 4493\n",
		"proc/cpuinfo":                                 "model name : A CPU\n",
		"proc/sys/kernel/pid_max":                      "32768\n",
		"proc/sys/kernel/threads-max":                  "63000\n",
		"proc/sys/kernel/osrelease":                    "1.2.3-test\n",
		"proc/sys/kernel/random/boot_id":               "x\n",
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
	tasks = append([]task{
		{pid: 1, name: "systemd", state: 'S', start: 1, command: "/sbin/init", cgroup: "/init.scope", signals: signals("SigBlk", 0x4000)},
		{pid: 400, ppid: 1, name: "bash", state: 'S', start: 100, command: "-bash", cgroup: "/user.slice/user-1000.slice"},
	}, tasks...)
	for _, p := range tasks {
		maps.Copy(files, p.files())
	}
	files["proc/1/comm"] = "systemd\n"
	maps.Copy(files, change)
	maps.DeleteFunc(files, func(_, text string) bool { return text == "absent" })
	put(t, ".", files)
	return measure.FS{Proc: "proc", Sys: "sys", Root: "root"}
}

// compareGolden compares with a golden file in the directory testdata. On a mismatch it writes what it got beside it.
func compareGolden(t *testing.T, testdata, name, got string) {
	t.Helper()
	path := filepath.Join(testdata, name+".golden")
	want, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		other := filepath.Join(testdata, name+".got")
		if err := os.WriteFile(other, []byte(got), 0o644); err != nil {
			t.Error(err)
		}
		t.Errorf("%s differs, see %s (-want +got):\n%s", path, other, diff)
	}
}

// resultFile writes a result file in which zombies of a kernel take so many bytes
// of slab pages and are charged for so many.
func resultFile(t *testing.T, path, kernel, goarch, spawn string, pages, charge int) {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "kernel: %s\ngoos: linux\ngoarch: %s\n\n", kernel, goarch)
	for _, n := range []int{500, 1000, 2000} {
		for range 3 {
			fmt.Fprintf(&b, "BenchmarkZombies/count=%d/parallel=1/spawn=%s %d", n, spawn, n)
			if pages > 0 {
				fmt.Fprintf(&b, " %d sunreclaim-B/1000zombies %d slab-B/1000zombies", 1000*pages, 1000*pages)
			}
			if charge > 0 {
				fmt.Fprintf(&b, " %d kmem-B/1000zombies", 1000*charge)
			}
			fmt.Fprintln(&b, " 1 pids/zombie")
		}
	}
	put(t, filepath.Dir(path), map[string]string{filepath.Base(path): b.String()})
}
