package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"golang.org/x/sys/unix"

	"zombench/bench/cgroup"
	"zombench/bench/daemon"
	"zombench/measure"
)

// A Site is a fresh cgroup of a lab in which something other than an army of
// zombied is measured, with the same settling and invariants. It reads what
// tells of this cgroup alone: tasks and kernel memory.
type Site struct {
	lab     *Lab
	cgroup  *cgroup.Cgroup
	sampler sampler
}

// Site makes a fresh cgroup. Without cgroups there is no site: the error says
// why and what helps.
func (l *Lab) Site() (*Site, error) {
	if l.place == nil {
		return nil, fmt.Errorf("this needs a cgroup of its own: %w", l.Instruments.List[pids].Err)
	}
	l.trials++
	cg, err := l.place.Fresh(strconv.Itoa(l.trials))
	if err != nil {
		return nil, err
	}
	s := &Site{lab: l, cgroup: cg, sampler: sampler{fs: l.FS, release: measure.Release(l.Machine.Kernel), instruments: l.Instruments, cgroup: cg}}
	for _, i := range []int{meminfo, slabinfo} {
		s.sampler.instruments.List[i].Err = errSystemWide
	}
	return s, nil
}

// errSystemWide is why a site leaves an instrument alone.
var errSystemWide = errors.New("tells of the whole system")

// ReadAll makes the site read what tells of the whole system too, where the lab
// can.
func (s *Site) ReadAll() { s.sampler.instruments = s.lab.Instruments }

// Start starts a program in the cgroup.
func (s *Site) Start(cmd *exec.Cmd) error { return s.cgroup.Start(cmd) }

// Pids returns the cgroup's counter of tasks.
func (s *Site) Pids() measure.Pids { return s.cgroup.Pids() }

// Procs lists the living processes in the cgroup.
func (s *Site) Procs() ([]int, error) { return s.cgroup.Procs() }

// Memory returns the cgroup's accounting of memory; false if there is none.
func (s *Site) Memory() (measure.Memcg, bool) { return s.cgroup.Memory() }

// Sample reads all instruments at once, whatever they are doing.
func (s *Site) Sample() (Sample, error) { return s.sampler.sample() }

// Kmem reads the cgroup's kernel memory in bytes, nil where that cannot be
// measured.
func (s *Site) Kmem() (*uint64, error) { return s.sampler.kmem() }

// Settle reads until the kernel is quiet, and if reached is not nil until it
// accepts a reading. restless says what was still moving when time ran out.
func (s *Site) Settle(ctx context.Context, reached func(Sample) bool) (_ Sample, restless string, err error) {
	return s.lab.settle(ctx, s.sampler, s.lab.Settling, reached)
}

// Returned says what is not back where it was before; "" if all is.
func (s *Site) Returned(before, now Sample) string { return s.lab.returned(before, now) }

// KmemTolerance is by how much the cgroup's kernel memory may differ, in
// bytes, between two moments at which it holds the same objects.
func (s *Site) KmemTolerance() uint64 { return s.lab.kmemTolerance() }

// Collect collects orphans that came to this process, as long as anything is
// left in the cgroup. The pids in own are waited for by somebody else.
func (s *Site) Collect(ctx context.Context, own ...int) (int, error) {
	all := s.lab.own()
	for _, pid := range own {
		all[pid] = true
	}
	return daemon.CollectOrphans(ctx, all, func() bool {
		n, err := s.Pids().Current()
		return err == nil && n > 0
	})
}

// CollectSome collects up to n dead orphans that came to this process, and
// returns how many there were.
func (s *Site) CollectSome(n int) (collected int, err error) {
	children, err := s.lab.FS.Children(os.Getpid())
	if err != nil {
		return 0, err
	}
	own := s.lab.own()
	for _, pid := range children {
		if collected == n {
			break
		}
		if own[pid] {
			continue
		}
		if got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err == nil && got == pid {
			collected++
		}
	}
	return collected, nil
}

// Close collects what was left and removes the cgroup. The programs that were
// started in it have been waited for.
func (s *Site) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTime)
	defer cancel()
	_, err := s.Collect(ctx)
	return errors.Join(err, remove(ctx, s.cgroup))
}

// Matcher returns what tells whether the name of a benchmark matches a pattern
// as of --bench.
func Matcher(pattern string) (func(name string) bool, error) {
	m, err := parseMatcher(pattern)
	return m.matches, err
}

// Change returns by how much a reading has changed; false if it was not taken.
func Change(before, after *uint64) (float64, bool) {
	if before == nil || after == nil {
		return 0, false
	}
	return delta(*before, *after), true
}
