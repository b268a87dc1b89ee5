package torture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/cgroup"
	"zombench/measure"
	"zombench/results"
)

// A state is what of the whole machine a run may change and has to put back.
type state struct {
	sysctls  map[string]string
	mounts   []string
	children []int // of ours
}

// volatile are sysctls that change by themselves.
var volatile = regexp.MustCompile(`/(random/|ns_last_pid$|pty/nr$|printk_ratelimit|tainted$|sched_|perf_event_max_sample_rate$)`)

// now reads the state.
func now() (s state) {
	s.sysctls = make(map[string]string)
	for _, dir := range []string{"kernel", "user", "vm"} {
		_ = filepath.WalkDir("/proc/sys/"+dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && !volatile.MatchString(path) {
				if b, err := os.ReadFile(path); err == nil {
					s.sysctls[path] = string(b)
				}
			}
			return nil
		})
	}
	b, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(b)) {
		s.mounts = append(s.mounts, line)
	}
	slices.Sort(s.mounts)
	s.children, _ = measure.Host().Children(os.Getpid())
	return s
}

// differences names what is not as it was.
func (s state) differences(after state) (left []string) {
	for _, name := range slices.Sorted(maps.Keys(s.sysctls)) {
		if is := after.sysctls[name]; is != s.sysctls[name] {
			left = append(left, fmt.Sprintf("sysctl: %s is %q and was %q", name, is, s.sysctls[name]))
		}
	}
	for _, m := range after.mounts {
		if !slices.Contains(s.mounts, m) {
			left = append(left, "mount: "+m)
		}
	}
	for _, pid := range after.children {
		if !slices.Contains(s.children, pid) {
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			left = append(left, fmt.Sprintf("child: %d %q", pid, name))
		}
	}
	return left
}

// left names what there still is of a run.
func (r *run) left(before state) (left []string) {
	r.collect()
	if n, err := r.cgroup.Pids().Current(); err != nil || n != 0 {
		var who []string
		for _, pid := range r.living() {
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			who = append(who, fmt.Sprintf("%d %.80q", pid, name))
		}
		left = append(left, fmt.Sprintf("processes: %d tasks, %v; living: %v", n, err, who))
	}
	for _, dir := range r.trials() {
		left = append(left, "cgroup: "+dir)
	}
	for _, mount := range cgroupMounts() { // elsewhere than below the run's own
		stray, _ := filepath.Glob(filepath.Join(mount, fmt.Sprintf("%s%d-*", cgroup.Prefix, r.cmd.Process.Pid)))
		for _, dir := range stray {
			left = append(left, "cgroup: "+dir)
		}
	}
	left = append(left, before.differences(now())...)
	entries, err := os.ReadDir(r.tmp)
	for _, e := range entries {
		left = append(left, "temporary file: "+e.Name())
	}
	if err != nil {
		left = append(left, "temporary files: "+err.Error())
	}
	return append(left, r.locked()...)
}

// locked tells in what the lock is not free.
func (r *run) locked() []string {
	f, err := os.Open(r.lock)
	if err != nil {
		return nil // it ended before it took it
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return []string{"lock: somebody holds it"}
	}
	b, err := os.ReadFile(r.lock)
	if err != nil {
		return []string{"lock: " + err.Error()}
	}
	var journal struct {
		Clearing bool
		Dirs     []any
		Sysctls  map[string]string
	}
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&journal); err != nil && len(b) > 0 {
		return []string{"lock: " + err.Error()}
	}
	// A pid alone owes nothing: that run was killed before it had made anything.
	if journal.Clearing || len(journal.Dirs) > 0 || len(journal.Sysctls) > 0 {
		return []string{fmt.Sprintf("lock: its journal holds %s", b)}
	}
	return nil
}

// clean waits until nothing of the run is left, and returns how long that took
// and what stayed.
func (r *run) clean(before state) (time.Duration, []string) {
	start := time.Now()
	for {
		left := r.left(before)
		took := time.Since(start)
		if len(left) == 0 || took > *within {
			return took, left
		}
		time.Sleep(20 * time.Millisecond)
	}
}

var interrupted = regexp.MustCompile(`interrupted after (\d+) of \d+ trials`)

// trialsRecorded checks the result file: whole lines that all can be read, and
// as many trials as the run has said.
func (r *run) trialsRecorded() (trials int, wrong []string) {
	if r.results == "" {
		return 0, nil
	}
	b, err := os.ReadFile(r.results)
	if os.IsNotExist(err) {
		b = nil
	} else if err != nil {
		return 0, []string{"results: " + err.Error()}
	}
	if len(b) > 0 && b[len(b)-1] != '\n' {
		wrong = append(wrong, fmt.Sprintf("results: half a line at the end: %q", b[bytes.LastIndexByte(b, '\n')+1:]))
	}
	set, errs := results.Read(bytes.NewReader(b), r.results)
	trials = len(set.Records)
	for _, err := range errs {
		if !errors.Is(err, results.ErrNoResults) {
			wrong = append(wrong, "results: "+err.Error())
		}
	}
	if m := interrupted.FindStringSubmatch(r.stderr()); m != nil && m[1] != strconv.Itoa(trials) {
		wrong = append(wrong, fmt.Sprintf("results: %d trials, and the run has said %s", trials, m[1]))
	}
	return trials, wrong
}

// cgroupMounts returns where cgroups are.
func cgroupMounts() (dirs []string) {
	b, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 2 && strings.HasPrefix(f[2], "cgroup") {
			dirs = append(dirs, f[1])
		}
	}
	return dirs
}
