package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"zombench/bench/labtest"
	"zombench/measure"
	"zombench/measure/limits"
	"zombench/measure/measuretest"
	"zombench/results/recorded"
	"zombench/results/report"
	"zombench/results/report/host"
)

var noon = time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC)

// askLimits runs limits over fixtures, away from any measured results.
func askLimits(t *testing.T, kernel measure.FS, o limitsOptions) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	if o.format == "" {
		o.format = "text"
	}
	err = answerLimits(&out, &errs, kernel, o, noon)
	return out.String(), errs.String(), err
}

func TestLimitsGolden(t *testing.T) {
	testdata, err := filepath.Abs("testdata/limits")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change map[string]string
		o      limitsOptions
	}{
		{"user", nil, limitsOptions{from: "measured.txt"}},
		{"rate", nil, limitsOptions{rate: "26/5m", from: "measured.txt"}},
		{"rate", nil, limitsOptions{rate: "26/5m", from: "measured.txt", format: "markdown"}},
		{"rate", nil, limitsOptions{rate: "26/5m", from: "measured.txt", format: "csv"}},
		{"rate", nil, limitsOptions{rate: "26/5m", from: "measured.txt", format: "json"}},
		{"fits", nil, limitsOptions{count: 18626, from: "measured.txt"}},
		{"full", map[string]string{"root/sys/fs/cgroup/user.slice/user-1000.slice/pids.current": "18638\n"}, limitsOptions{rate: "1/h", from: "measured.txt"}},
		{"hostile", map[string]string{
			"proc/400/cgroup": "0::/a|b`<i>\x1b[31m\n",
			"root/sys/fs/cgroup/a|b`<i>\x1b[31m/pids.max":     "5\n",
			"root/sys/fs/cgroup/a|b`<i>\x1b[31m/pids.current": "1\n",
		}, limitsOptions{format: "markdown", from: "measured.txt"}},
	} {
		name := tt.name + "." + string(cmp.Or(tt.o.format, "text"))
		t.Run(name, func(t *testing.T) {
			kernel := machine(t, nil, tt.change)
			if tt.o.from != "" {
				resultFile(t, tt.o.from, "1.2.3-test", runtime.GOARCH, "exec", 10350, 9600)
			}
			stdout, stderr, err := askLimits(t, kernel, tt.o)
			if err != nil || stderr != "" {
				t.Error(err, stderr)
			}
			labtest.Golden(t, filepath.Join(testdata, name+".golden"), []byte(strings.ReplaceAll(stdout, "1.2.3-test/"+runtime.GOARCH, "1.2.3-test/GOARCH")))
		})
	}
}

// What --count asks for fits exactly, or does not by one: by the limit that
// is reached first.
func TestLimitsCount(t *testing.T) {
	kernel := machine(t, nil, nil)
	if out, _, err := askLimits(t, kernel, limitsOptions{count: 18626}); err != nil || !strings.HasSuffix(out, "\n18626 zombies fit\n") {
		t.Errorf("%v\n%s", err, out)
	}
	out, _, err := askLimits(t, kernel, limitsOptions{count: 18627})
	limit, ok := errors.AsType[*limits.Error](err)
	if !ok || limit.Fits != 18626 || limit.Limit.Name != "pids.max" || strings.Contains(out, "zombies fit\n") {
		t.Fatalf("%v\n%s", err, out)
	}
	want := "18627 zombies do not fit: pids.max is too low: 18627 more processes are needed and there is room for 18626 " +
		"(root/sys/fs/cgroup/user.slice/user-1000.slice/pids.max: 18638, 12 in use); raise it with: " +
		"systemctl set-property --runtime user-1000.slice TasksMax=19000"
	if got := err.Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for format, want := range map[report.Format]map[int]string{
		"json":     {18626: `"fit": true`, 18627: `"fit": false`},
		"markdown": {18626: "18626 zombies fit\n", 18627: "18627 zombies do not fit\n"},
	} {
		for count, said := range want {
			if out, _, _ := askLimits(t, kernel, limitsOptions{count: count, format: format}); !strings.Contains(out, said) {
				t.Errorf("%s of %d does not say %q:\n%s", format, count, said, out)
			}
		}
	}
	// Many more exceed several; the one that is reached first is named.
	_, _, err = askLimits(t, kernel, limitsOptions{count: 1e6})
	if limit, ok := errors.AsType[*limits.Error](err); !ok || limit.Limit.Name != "pids.max" {
		t.Error(err)
	}
}

// Without the unit's limit another one is reached first: the order is not fixed.
func TestLimitsOrder(t *testing.T) {
	const unit = "root/sys/fs/cgroup/user.slice/user-1000.slice/"
	for _, tt := range []struct {
		name, first string
		change      map[string]string
	}{
		{"pids.max", "18626 more zombies fit, then pids.max is reached", nil},
		{"RLIMIT_NPROC", "30998 more zombies fit, then RLIMIT_NPROC is reached", map[string]string{unit + "pids.max": "max\n"}},
		{"above", "80 more zombies fit, then pids.max is reached (systemd: TasksMax of user.slice)",
			map[string]string{"root/sys/fs/cgroup/user.slice/pids.max": "100\n"}},
		{"memory.max", "61 more zombies fit, then memory.max is reached", map[string]string{unit + "memory.max": "74741824\n"}},
		{"MemAvailable", "64 more zombies fit, then MemAvailable is reached", map[string]string{
			"proc/meminfo": "MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 1024 kB\nSlab: 3 kB\nSReclaimable: 1 kB\nSUnreclaim: 2 kB\nKernelStack: 1 kB\nPageTables: 1 kB\n"}},
		{"threads-max", "3 more zombies fit, then kernel.threads-max is reached", map[string]string{"proc/sys/kernel/threads-max": "110\n"}},
		{"pid_max", "4 more zombies fit, then kernel.pid_max is reached", map[string]string{"proc/sys/kernel/pid_max": "304\n", "proc/loadavg": "0 0 0 1/107 303\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kernel := machine(t, nil, tt.change)
			resultFile(t, "measured.txt", "1.2.3-test", runtime.GOARCH, "exec", 16384, 16384)
			out, _, err := askLimits(t, kernel, limitsOptions{from: "measured.txt"})
			if err != nil || !strings.HasPrefix(out, tt.first) {
				t.Errorf("%v; want %s in\n%s", err, tt.first, out)
			}
		})
	}
}

func TestLimitsOfOthers(t *testing.T) {
	kernel := machine(t, []measuretest.Task{{PID: 500, PPid: 1, Name: "x", State: 'S', Cgroup: "/other"}}, map[string]string{
		"proc/500/limits":                       "Max processes 50 50 processes\nMax open files 1 1 files\n",
		"proc/500/ns/user":                      "-> user:[4026531837]",
		"root/sys/fs/cgroup/other/pids.max":     "30\n",
		"root/sys/fs/cgroup/other/pids.current": "10\n",
	})
	for _, tt := range []struct {
		o     limitsOptions
		first string
	}{
		{limitsOptions{pid: 500}, "20 more zombies fit, then pids.max is reached (root/sys/fs/cgroup/other/pids.max)"},
		{limitsOptions{cgroup: "/other"}, "20 more zombies fit, then pids.max is reached"},
		{limitsOptions{cgroup: filepath.Join(kernel.Root, "sys/fs/cgroup/other")}, "20 more zombies fit, then pids.max is reached"},
		{limitsOptions{pid: 500, cgroup: "/user.slice/user-1000.slice"}, "47 more zombies fit, then RLIMIT_NPROC is reached (proc/500/limits)"},
		{limitsOptions{}, "18626 more"}, // neither: our own
	} {
		out, _, err := askLimits(t, kernel, tt.o)
		if err != nil || !strings.HasPrefix(out, tt.first) {
			t.Errorf("%+v: %v; want %s in\n%s", tt.o, err, tt.first, out)
		}
	}
	for _, o := range []limitsOptions{{pid: 501}, {cgroup: "/nowhere"}} {
		if out, _, err := askLimits(t, kernel, o); err == nil || out != "" || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v\n%s", o, err, out)
		}
	}
}

// One limit that cannot be read is told of, and costs only itself.
func TestLimitsPartly(t *testing.T) {
	kernel := machine(t, nil, map[string]string{"proc/sys/kernel/threads-max": "many\n"})
	out, stderr, err := askLimits(t, kernel, limitsOptions{})
	if err != nil || !strings.HasPrefix(out, "18626 more") || !strings.Contains(stderr, "some limits cannot be read") || !strings.Contains(stderr, "threads-max") {
		t.Errorf("%v, %s\n%s", err, stderr, out)
	}
}

// CSV and JSON are what other programs can read, and say the same.
func TestLimitsForPrograms(t *testing.T) {
	kernel := machine(t, nil, nil)
	resultFile(t, "measured.txt", "1.2.3-test", runtime.GOARCH, "exec", 16384, 16384)
	o := limitsOptions{rate: "26/5m", format: "csv", from: "measured.txt"}
	out, _, err := askLimits(t, kernel, o)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	o.format = "json"
	if out, _, err = askLimits(t, kernel, o); err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Zombie recorded.Cost
		Limits []host.LimitRecord
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatal(err)
	}
	var set []host.LimitRecord // those that are
	for _, l := range answer.Limits {
		if l.Value != nil {
			set = append(set, l)
		}
	}
	if len(set) != len(lines)-1 || len(set) < 6 || len(answer.Limits) < 8 || !answer.Zombie.Measured {
		t.Fatalf("%d limits in JSON, %d in CSV, %+v", len(answer.Limits), len(lines)-1, answer.Zombie)
	}
	for i, l := range set {
		if row := lines[i+1]; row[0] != l.Limit || row[1] != optional(l.Fits) {
			t.Errorf("%+v is not %q", l, row)
		}
	}
	if l := answer.Limits[0]; *l.Fits != 18626 || *l.AfterNs != 18626*(5*time.Minute).Nanoseconds()/26 || *l.Holds != 18626<<14 {
		t.Errorf("%+v", l)
	}
}

// optional is a number as CSV has it, nothing for none.
func optional[T uint64 | int64](n *T) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(int64(*n), 10)
}
