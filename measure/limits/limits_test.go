package limits

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"

	"zombench/measure"
	"zombench/measure/measuretest"
)

// What /proc/self/mountinfo has of cgroups.
const (
	v1Mounts = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
		"39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
	v2Mount = "30 29 0:27 / /sys/fs/cgroup rw - cgroup2 none rw\n"
)

// status is /proc/PID/status; the effective uid is 0, which does not matter.
func status(uid, threads, group, session int, caps string) string {
	return fmt.Sprintf("Name:\tx\nUid:\t%d\t0\t0\t0\nNSpid:\t1\nNSpgid:\t%d\nNSsid:\t%d\nThreads:\t%d\nSigIgn:\t0\nSigCgt:\t0\nCapEff:\t%s\n",
		uid, group, session, threads, caps)
}

// system is a small machine in files: 5 processes, one of them threaded.
func system(t *testing.T, change map[string]string) measure.FS {
	t.Helper()
	fs := measure.FS{Proc: t.TempDir(), Sys: t.TempDir(), Root: t.TempDir()}
	files := map[string]string{
		"meminfo":                "MemTotal: 1000 kB\nMemFree: 300 kB\nMemAvailable: 500 kB\nSlab: 3 kB\nSReclaimable: 1 kB\nSUnreclaim: 2 kB\nKernelStack: 1 kB\nPageTables: 1 kB\n",
		"loadavg":                "0.00 0.00 0.00 1/107 4493\n",
		"sys/kernel/pid_max":     "32768\n",
		"sys/kernel/threads-max": "1000\n",
		"sys/kernel/osrelease":   "6.18.44\n",
		"sys/fs/nr_open":         "1048576\n",
		"1/status":               status(0, 1, 1, 1, "000001ffffffffff"),
		"2/status":               status(0, 1, 0, 0, "000001ffffffffff"), // of the kernel
		"400/status":             status(1000, 3, 400, 400, "0"),
		"400/task/400/comm":      "", "400/task/401/comm": "", "400/task/402/comm": "",
		"500/status":  status(1000, 1, 450, 40000, "0"), // leader 450 is gone; 40000 lies above pid_max
		"600/status":  status(1001, 1, 600, 600, "0"),
		"self/status": status(1000, 3, 400, 400, "0"),
		"self/limits": "Limit                     Soft Limit           Hard Limit           Units     \n" +
			"Max processes             100                  2000                 processes \n" +
			"Max open files            64                   4096                 files     \n",
		"self/fd/0": "", "self/fd/1": "", "self/fd/2": "", "self/fd/70": "",
		"self/ns/user":   "-> user:[4026531837]",
		"self/ns/pid":    "-> pid:[4026531836]",
		"self/cgroup":    "0::/a/b\n",
		"self/mountinfo": v2Mount,
	}
	maps.Copy(files, change)
	maps.DeleteFunc(files, func(_, text string) bool { return text == "absent" })
	root := map[string]string{}
	for name, text := range files {
		if rest, ok := strings.CutPrefix(name, "cgroup/"); ok {
			root["sys/fs/cgroup/"+rest] = text
			delete(files, name)
		}
	}
	for name, text := range map[string]string{
		"cgroup.controllers": "memory pids\n",
		"a/pids.max":         "200\n", "a/pids.current": "20\n",
		"a/memory.max": "1048576\n", "a/memory.current": "600000\n", "a/memory.stat": "inactive_file 100000\n",
		"a/b/pids.max": "max\n", "a/b/pids.current": "7\n",
		"a/b/memory.max": "max\n", "a/b/memory.current": "500\n", "a/b/memory.stat": "inactive_file 501\n",
	} {
		if _, set := root["sys/fs/cgroup/"+name]; !set {
			root["sys/fs/cgroup/"+name] = text
		}
	}
	maps.DeleteFunc(root, func(_, text string) bool { return text == "absent" })
	measuretest.Put(t, fs.Proc, files)
	measuretest.Put(t, fs.Root, root)
	return fs
}

// find returns the n-th limit of a name.
func find(t *testing.T, limits []Limit, name string, n int) Limit {
	t.Helper()
	for _, l := range limits {
		if l.Name != name {
			continue
		}
		if n == 0 {
			return l
		}
		n--
	}
	t.Fatalf("no limit %s in %+v", name, limits)
	return Limit{}
}

func TestRead(t *testing.T) {
	const none = math.MaxUint64
	v1 := map[string]string{
		"self/cgroup":              "8:pids:/a/b\n4:memory:/m\n",
		"self/mountinfo":           v1Mounts,
		"cgroup/pids/a/b/pids.max": "50\n", "cgroup/pids/a/b/pids.current": "8\n",
		"cgroup/memory/m/memory.limit_in_bytes": "8192000\n", "cgroup/memory/m/memory.usage_in_bytes": "192000\n",
		"cgroup/memory/m/memory.stat":                "inactive_file 1\ntotal_inactive_file 92000\n",
		"cgroup/memory/m/memory.kmem.limit_in_bytes": "4096000\n", "cgroup/memory/m/memory.kmem.usage_in_bytes": "96000\n",
	}
	with := func(base map[string]string, more map[string]string) map[string]string {
		all := maps.Clone(base)
		maps.Copy(all, more)
		return all
	}
	ask := Query{Count: 5000, BytesPerZombie: 1000, Descriptors: 5000, ExtraTasks: 10}
	for _, tt := range []struct {
		name   string
		change map[string]string
		query  Query
		limit  string
		nth    int
		room   uint64
		used   uint64
		remedy string
	}{
		// RLIMIT_NPROC: 100, and user 1000 runs 4 tasks.
		{"user", nil, ask, "RLIMIT_NPROC", 0, 96, 4, "sudo prlimit --pid $$ --nproc=6000:6000"},
		{"user, below the hard limit", nil, Query{Count: 97}, "RLIMIT_NPROC", 0, 96, 4, "ulimit -u 1000"},
		{"user, fits", nil, Query{Count: 96}, "RLIMIT_NPROC", 0, 96, 4, ""},
		{"user, no limit", map[string]string{"self/limits": "Max processes unlimited unlimited processes\nMax open files 64 64 files\n"}, ask, "RLIMIT_NPROC", 0, none, 4, ""},
		{"root", map[string]string{"self/status": status(0, 3, 400, 400, "0")}, ask, "RLIMIT_NPROC", 0, none, 2, ""},
		{"root of a user namespace", map[string]string{"self/status": status(0, 3, 400, 400, "000001ffffffffff"), "self/ns/user": "-> user:[4026532000]"}, ask, "RLIMIT_NPROC", 0, 98, 2, "prlimit --pid $$ --nproc=6000:6000"},
		{"effective root only", map[string]string{"self/status": status(1000, 3, 400, 400, "0")}, ask, "RLIMIT_NPROC", 0, 96, 4, "sudo prlimit --pid $$ --nproc=6000:6000"},
		{"with CAP_SYS_RESOURCE", map[string]string{"self/status": status(1000, 3, 400, 400, "0000000001000000")}, ask, "RLIMIT_NPROC", 0, none, 4, ""},
		{"with CAP_SYS_ADMIN", map[string]string{"self/status": status(1000, 3, 400, 400, "0000000000200000")}, ask, "RLIMIT_NPROC", 0, none, 4, ""},
		{"with any other capability", map[string]string{"self/status": status(1000, 3, 400, 400, "000001fffedfffff")}, ask, "RLIMIT_NPROC", 0, 96, 4, "sudo prlimit --pid $$ --nproc=6000:6000"},
		{"namespace by its mapping", map[string]string{"self/ns/user": "absent", "self/uid_map": "0 100000 65536\n", "self/status": status(0, 3, 400, 400, "0")}, ask, "RLIMIT_NPROC", 0, 98, 2, "prlimit --pid $$ --nproc=6000:6000"},
		{"no namespace by its mapping", map[string]string{"self/ns/user": "absent", "self/uid_map": "         0          0 4294967295\n", "self/status": status(0, 3, 400, 400, "0")}, ask, "RLIMIT_NPROC", 0, none, 2, ""},

		// kernel.pid_max: taken from 300 up are 400-402, 450, 500, 600.
		{"pid_max", nil, Query{Count: 40000}, "kernel.pid_max", 0, 32768 - 306, 306, "sysctl -w kernel.pid_max=65536"},
		{"pid_max just does", nil, Query{Count: 32768 - 306}, "kernel.pid_max", 0, 32768 - 306, 306, ""},
		{"pid_max does not by one", nil, Query{Count: 32768 - 305}, "kernel.pid_max", 0, 32768 - 306, 306, "sysctl -w kernel.pid_max=65536"},
		{"pid_max, a power of two does", nil, Query{Count: 65536 - 306}, "kernel.pid_max", 0, 32768 - 306, 306, "sysctl -w kernel.pid_max=65536"},
		{"pid_max, the greatest", nil, Query{Count: 4194304 - 306}, "kernel.pid_max", 0, 32768 - 306, 306, "sysctl -w kernel.pid_max=4194304"},
		{"pid_max, beyond", nil, Query{Count: 4194305 - 306}, "kernel.pid_max", 0, 32768 - 306, 306, ""},
		{"pid_max, threads count", nil, Query{Count: 32768 - 306, ExtraTasks: 1}, "kernel.pid_max", 0, 32768 - 306, 306, "sysctl -w kernel.pid_max=65536"},
		{"pid_max, before the first 300 are used", map[string]string{"loadavg": "0 0 0 1/107 99\n"}, ask, "kernel.pid_max", 0, 32768 - 106, 106, ""},
		{"pid_max lowered below what is in use", map[string]string{"sys/kernel/pid_max": "450\n"}, ask, "kernel.pid_max", 0, 147, 303, "sysctl -w kernel.pid_max=8192"},
		{"pid_max, the others are hidden", map[string]string{"1/status": "absent"}, ask, "kernel.pid_max", 0, 32768 - 306 - 101, 306 + 101, ""},
		{"pid_max of a namespace", map[string]string{"self/ns/pid": "-> pid:[4026532001]", "loadavg": "0 0 0 1/2000 4493\n"}, ask, "kernel.pid_max", 0, 32768 - 306, 306, ""},
		{"pid_max of all namespaces, before 6.14", map[string]string{"self/ns/pid": "-> pid:[4026532001]", "loadavg": "0 0 0 1/2000 4493\n", "sys/kernel/osrelease": "6.13.9-1\n"}, ask, "kernel.pid_max", 0, 32768 - 2000, 2000, ""},

		{"threads-max", nil, ask, "kernel.threads-max", 0, 893, 107, "sysctl -w kernel.threads-max=6000"},

		{"pids.max of the own cgroup", nil, ask, "pids.max", 0, none, 7, ""},
		{"pids.max above", nil, ask, "pids.max", 1, 180, 20, "echo 6000 > ROOT/sys/fs/cgroup/a/pids.max"},
		{"pids.max just does", nil, Query{Count: 170, ExtraTasks: 10}, "pids.max", 1, 180, 20, ""},
		{"pids.max, too much for a number", nil, Query{Count: 5e6}, "pids.max", 1, 180, 20, "echo max > ROOT/sys/fs/cgroup/a/pids.max"},
		{"pids.max passed", map[string]string{"cgroup/a/pids.current": "300\n"}, ask, "pids.max", 1, 0, 300, "echo 6000 > ROOT/sys/fs/cgroup/a/pids.max"},
		{"pids.max, odd directory", map[string]string{"self/cgroup": "0::/it's\n", "cgroup/it's/pids.max": "5\n", "cgroup/it's/pids.current": "1\n"}, ask, "pids.max", 0, 4, 1, `echo 6000 > 'ROOT/sys/fs/cgroup/it'\''s/pids.max'`},
		{"pids.max v1", v1, ask, "pids.max", 0, 42, 8, "echo 6000 > ROOT/sys/fs/cgroup/pids/a/b/pids.max"},

		{"memory.max of the own cgroup", nil, ask, "memory.max", 0, none, 0, ""},
		{"memory.max above", nil, ask, "memory.max", 1, 1048576 - 500000, 500000, "echo 6291456 > ROOT/sys/fs/cgroup/a/memory.max"},
		{"memory.max, no bytes asked for", nil, Query{Count: 5000}, "memory.max", 1, 1048576 - 500000, 500000, ""},
		{"memory v1", v1, ask, "memory.limit_in_bytes", 0, 8092000, 100000, ""},
		{"kmem v1", v1, ask, "memory.kmem.limit_in_bytes", 0, 4000000, 96000, "echo 5242880 > ROOT/sys/fs/cgroup/memory/m/memory.kmem.limit_in_bytes"},
		{"MemAvailable", nil, ask, "MemAvailable", 0, 500 * 1024, 500 * 1024, ""},

		{"RLIMIT_NOFILE", nil, Query{Count: 100, Descriptors: 100}, "RLIMIT_NOFILE", 0, 61, 3, "ulimit -n 1000"},
		{"RLIMIT_NOFILE above the hard limit", nil, ask, "RLIMIT_NOFILE", 0, 61, 3, "sudo prlimit --pid $$ --nofile=6000:6000"},
		{"RLIMIT_NOFILE above nr_open", nil, Query{Count: 2e6, Descriptors: 2e6}, "RLIMIT_NOFILE", 0, 61, 3, "sudo sysctl -w fs.nr_open=2001000 && sudo prlimit --pid $$ --nofile=2001000:2001000"},
		{"v1 without use_hierarchy binds by itself", with(v1, map[string]string{"cgroup/memory/memory.use_hierarchy": "0\n", "cgroup/memory/memory.limit_in_bytes": "1\n"}), ask, "memory.limit_in_bytes", 0, 8092000, 100000, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fs := system(t, tt.change)
			limits, err := Read(fs, tt.query)
			if err != nil {
				t.Fatal(err)
			}
			l := find(t, limits, tt.limit, tt.nth)
			if l.Room() != tt.room || l.Used != tt.used {
				t.Errorf("room for %d, %d used; want %d, %d (%+v)", l.Room(), l.Used, tt.room, tt.used, l)
			}
			if got := strings.ReplaceAll(tt.query.Remedy(l).Text, fs.Root, "ROOT"); got != tt.remedy {
				t.Errorf("remedy %q, want %q", got, tt.remedy)
			}
		})
	}
}

func TestReadLeavesOut(t *testing.T) {
	fs := system(t, map[string]string{"self/cgroup": "", "self/mountinfo": ""})
	limits, err := Read(fs, Query{Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range limits {
		if l.Unit == Descriptors || strings.HasPrefix(l.Name, "pids.") || strings.HasPrefix(l.Name, "memory.") {
			t.Errorf("limit out of nowhere: %+v", l)
		}
	}
	if len(limits) != 4 {
		t.Errorf("%d limits, want 4", len(limits))
	}

	// One broken file is told of and costs only its own limit.
	fs = system(t, map[string]string{"sys/kernel/threads-max": "many\n"})
	limits, err = Read(fs, Query{Count: 1})
	if !errors.Is(err, measure.ErrMalformed) || !strings.Contains(err.Error(), "threads-max") {
		t.Errorf("error %v", err)
	}
	find(t, limits, "MemAvailable", 0)
	for _, l := range limits {
		if l.Name == "kernel.threads-max" {
			t.Errorf("a limit out of a broken file: %+v", l)
		}
	}
}

// The limits are those of the cgroup asked for, not of the own one.
func TestReadOfAnotherCgroup(t *testing.T) {
	fs := system(t, map[string]string{
		"self/mountinfo":           v1Mounts,
		"cgroup/pids/a/b/pids.max": "50\n", "cgroup/pids/a/b/pids.current": "8\n",
	})
	limits, err := Read(fs, Query{Cgroup: "/a/b", Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	if l := find(t, limits, "pids.max", 0); l.Value != 50 || l.Used != 8 {
		t.Errorf("%+v", l)
	}
	if _, err := Read(fs, Query{Cgroup: "/nowhere"}); err == nil {
		t.Error("the limits of no cgroup")
	}
}

// always is a limit's way of being raised, to whatever value.
func always(command string) func(uint64) Remedy {
	return func(uint64) Remedy { return Remedy{Text: command} }
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name  string
		query Query
		limit Limit
		want  string // the error, "" for none
		fits  uint64
	}{
		{"fits exactly", Query{Count: 10, ExtraTasks: 2}, Limit{Name: "pids.max", Value: 20, Used: 8, Unit: Processes, Binds: true}, "", 0},
		{"one too many", Query{Count: 11, ExtraTasks: 2}, Limit{Name: "pids.max", Where: "/cg/pids.max", Value: 20, Used: 8, Unit: Processes, Binds: true, raise: always("echo 1000 > /cg/pids.max")},
			"pids.max is too low: 13 more processes are needed and there is room for 12 (/cg/pids.max: 20, 8 in use); raise it with: echo 1000 > /cg/pids.max", 10},
		{"does not bind", Query{Count: 11}, Limit{Name: "RLIMIT_NPROC", Value: 1, Unit: Processes}, "", 0},
		{"unlimited", Query{Count: 11}, Limit{Unlimited: true, Unit: Processes, Binds: true}, "", 0},
		{"memory", Query{Count: 11, BytesPerZombie: 10}, Limit{Name: "MemAvailable", Where: "/proc/meminfo", Value: 200, Used: 95, Unit: Bytes, Binds: true},
			"MemAvailable is too low: 110 more bytes are needed and there is room for 105 (/proc/meminfo: 200, 95 in use); no command raises it far enough: ask for at most 10", 10},
		{"memory beyond counting", Query{Count: 1 << 40, BytesPerZombie: 1 << 40}, Limit{Name: "m", Where: "m", Value: 1 << 60, Unit: Bytes, Binds: true},
			"m is too low: 18446744073709551615 more bytes are needed and there is room for 1152921504606846976 (m: 1152921504606846976, 0 in use); no command raises it far enough: ask for at most 1048576", 1 << 20},
		{"descriptors", Query{Count: 100, Descriptors: 200}, Limit{Name: "RLIMIT_NOFILE", Where: "l", Value: 64, Used: 4, Unit: Descriptors, Binds: true, raise: always("ulimit -n 1000")},
			"RLIMIT_NOFILE is too low: 200 more descriptors are needed and there is room for 60 (l: 64, 4 in use); raise it with: ulimit -n 1000", 30},
		{"threads alone are too many", Query{Count: 1, ExtraTasks: 9}, Limit{Name: "p", Where: "p", Value: 5, Unit: Processes, Binds: true},
			"p is too low: 10 more processes are needed and there is room for 5 (p: 5, 0 in use); no command raises it far enough: ask for at most 0", 0},
	} {
		err := tt.query.Check([]Limit{{Name: "first", Unlimited: true, Unit: Processes}, tt.limit})
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		var le *Error
		if !errors.As(err, &le) {
			t.Errorf("%s: error %v, want a *Error", tt.name, err)
			continue
		}
		if err.Error() != tt.want || le.Fits != tt.fits {
			t.Errorf("%s: fits %d, want %d\n got %q\nwant %q", tt.name, le.Fits, tt.fits, err, tt.want)
		}
	}
}

// A limit that has refused is named, with a value above the present one.
func TestRefused(t *testing.T) {
	to := func(n uint64) Remedy { return Remedy{Text: fmt.Sprintf("raise to %d", n)} }
	l := Limit{Name: "memory.max", Where: "/cg/memory.max", Value: 1000, Used: 400, Unit: Bytes, Binds: true, raise: to}
	for _, tt := range []struct {
		query Query
		limit Limit
		want  string
	}{
		{Query{Count: 7, BytesPerZombie: 100}, l, "memory.max was reached (/cg/memory.max: 1000, 400 in use); raise it with: raise to 1100"},
		{Query{Count: 1, BytesPerZombie: 100}, l, "memory.max was reached (/cg/memory.max: 1000, 400 in use); raise it with: raise to 1001"},
		{Query{Count: 1}, Limit{Name: "MemAvailable", Where: "m", Value: 9, Used: 9, Unit: Bytes, Binds: true}, "MemAvailable was reached (m: 9, 9 in use)"},
	} {
		if e := tt.query.Refused(tt.limit); e.Error() != tt.want || !e.Refused {
			t.Errorf("got  %s\nwant %s", e, tt.want)
		}
	}
}

// What is said to fit does, and one more does not.
func FuzzFits(f *testing.F) {
	f.Add(uint64(100), uint64(10), uint64(200), uint64(3), uint64(60))
	f.Fuzz(func(t *testing.T, count, size, files, extra, room uint64) {
		q := Query{Count: count, BytesPerZombie: size, ExtraTasks: extra}
		for _, unit := range []string{Processes, Bytes} {
			l := Limit{Unit: unit, Value: room, Binds: true}
			fits := q.fits(l)
			ask := q
			ask.Count = fits
			if fits > count || fits > 0 && ask.Check([]Limit{l}) != nil {
				t.Fatalf("%d %s do not fit in %d", fits, unit, room)
			}
			if ask.Count++; fits < count && ask.Check([]Limit{l}) == nil {
				t.Fatalf("%d %s do fit in %d", ask.Count, unit, room)
			}
		}
		q.Descriptors = files
		if n := q.fits(Limit{Unit: Descriptors, Value: room, Binds: true}); n > count {
			t.Fatalf("%d of %d", n, count)
		}
	})
}

func TestPidSet(t *testing.T) {
	s := newPidSet(200)
	for _, n := range []int{0, 63, 64, 127, 128, 199, 200, 5000} {
		s.add(n)
	}
	for _, tt := range []struct{ low, high, want uint64 }{
		{0, 200, 6}, {1, 200, 5}, {63, 64, 1}, {64, 65, 1}, {65, 127, 0}, {63, 129, 4}, {199, 200, 1}, {200, 300, 0}, {0, 0, 0},
	} {
		if got := s.countFrom(tt.low, tt.high); got != tt.want {
			t.Errorf("from %d below %d: %d, want %d", tt.low, tt.high, got, tt.want)
		}
	}
}
