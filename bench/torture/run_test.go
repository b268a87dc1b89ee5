package torture

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/cgroup"
	"zombench/bench/daemon"
)

// A run is a zombench under torture, in a cgroup and in directories of its own:
// whatever is in them is the run's.
type run struct {
	campaign
	workload workload
	rng      *rand.Rand // of this round
	dir      string     // holds what follows, and standard error
	tmp      string     // $TMPDIR
	lock     string
	out      string // what -o says
	results  string // the result file as we see it; "" if it cannot be read
	cgroup   *cgroup.Cgroup
	cmd      *exec.Cmd
	ended    chan struct{} // closed when the harness was waited for

	killed    []string    // victims of SIGKILL
	anyKilled bool        // anybody may have been killed, or could not clear up
	resume    []func()    // end what only pauses the run
	undo      []func()    // ends what is not the run's to clear up
	strangers []*exec.Cmd // processes that joined its cgroups
}

// newRun prepares a run; close ends it.
func (c campaign) newRun(w workload, n int, rng *rand.Rand) (_ *run, err error) {
	r := &run{campaign: c, workload: w, rng: rng, dir: filepath.Join(c.dir, strconv.Itoa(n)), ended: make(chan struct{})}
	r.tmp, r.lock, r.out = filepath.Join(r.dir, "tmp"), filepath.Join(r.dir, "lock"), filepath.Join(r.dir, "out")
	r.results = r.out
	if w.name == "kernels" {
		r.results = ""
	}
	if err := os.MkdirAll(r.tmp, 0o755); err != nil {
		return nil, err
	}
	if r.cgroup, err = c.place.Fresh("torture-" + strconv.Itoa(n)); err != nil {
		return nil, err
	}
	r.cmd = exec.Command(c.zombench)
	r.cmd.Env = append(os.Environ(), "TMPDIR="+r.tmp)
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS} // what is mounted there is gone with it
	return r, nil
}

// start starts the harness.
func (r *run) start() error {
	r.cmd.Args = append(r.cmd.Args, r.workload.command(r.zombied, r.lock, r.out)...)
	log, err := os.Create(filepath.Join(r.dir, "stderr"))
	if err != nil {
		return err
	}
	defer log.Close()
	r.cmd.Stderr = log
	if err := r.cgroup.Start(r.cmd); err != nil {
		return err
	}
	go func() {
		_ = r.cmd.Wait() // ProcessState tells
		close(r.ended)
	}()
	return nil
}

// alive reports whether the harness has not ended.
func (r *run) alive() bool {
	select {
	case <-r.ended:
		return false
	default:
		return true
	}
}

// endsWithin waits for the harness.
func (r *run) endsWithin(d time.Duration) bool {
	select {
	case <-r.ended:
		return true
	case <-time.After(d):
		return false
	}
}

// stderr returns what the harness has said.
func (r *run) stderr() string {
	b, _ := os.ReadFile(filepath.Join(r.dir, "stderr"))
	return string(b)
}

// below returns a directory and all below it, the outermost first.
func below(dir string) (dirs []string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	return dirs
}

// trials returns the cgroups that the run has made.
func (r *run) trials() (dirs []string) {
	for _, dir := range r.cgroup.Dirs() {
		dirs = append(dirs, below(dir)[1:]...)
	}
	return dirs
}

// living returns the processes of the run that live.
func (r *run) living() (pids []int) {
	for _, dir := range below(r.cgroup.Pids().Dir) {
		b, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		for _, word := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

// collect waits for those of the run's dead that came to us.
func (r *run) collect() {
	own := map[int]bool{r.cmd.Process.Pid: true}
	for _, s := range r.strangers {
		own[s.Process.Pid] = true
	}
	_, _ = daemon.CollectOrphans(context.Background(), own, func() bool { return false })
}

// relieve ends what was done to the run, and sees those off who joined it.
func (r *run) relieve() {
	for _, f := range slices.Backward(r.undo) {
		f()
	}
	r.undo = nil
	for _, s := range r.strangers {
		_ = s.Process.Kill()
		_ = s.Wait()
	}
	r.strangers = nil
}

// proceed ends the pauses.
func (r *run) proceed() {
	for _, f := range r.resume {
		f()
	}
	r.resume = nil
}

// next has the next run clear up, from a cgroup beside this one's: with
// version 2 nobody can be started in a cgroup that hands down controllers.
func (r *run) next(n int) error {
	c, err := r.place.Fresh(fmt.Sprintf("torture-%d-next", n))
	if err != nil {
		return err
	}
	w := workload{name: "next", args: "run --count 5 --parallel 1 --samples 1"}
	cmd := exec.Command(r.zombench, w.command(r.zombied, r.lock, filepath.Join(r.dir, "next"))...)
	cmd.Env = r.cmd.Env
	log, err := os.Create(filepath.Join(r.dir, "next.stderr"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stderr = log
	if err := c.Start(cmd); err != nil {
		return err
	}
	err = cmd.Wait()
	if err != nil {
		said, _ := os.ReadFile(log.Name())
		err = fmt.Errorf("the next run: %w: %s", err, said)
	}
	ctx, cancel := context.WithTimeout(context.Background(), *within)
	defer cancel()
	if rerr := c.Remove(ctx); rerr != nil {
		return fmt.Errorf("the next run has left something itself: %w", rerr)
	}
	return err
}

// close removes all of the run that is left, and its directory.
func (r *run) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		for _, pid := range r.living() {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		r.collect()
		if n, err := r.cgroup.Pids().Current(); err != nil || n == 0 && len(r.living()) == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := r.cgroup.Remove(ctx); err != nil {
		return err
	}
	return os.RemoveAll(r.dir)
}
