package bench_test

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"zombench/bench"
	"zombench/bench/labtest"
)

// The following two are in CONTRIBUTING.

// parent says when it runs, forks when it is told to, and ends when its input does.
const parent = `$| = 1; print "ready\n"; <STDIN>; for (1 .. $ARGV[0]) { fork // die "fork: $!" or exit }
print "forked\n"; 1 while <STDIN>`

func raise(s *bench.Steps, count int) {
	p := s.Coproc(exec.Command("perl", "-e", parent, strconv.Itoa(count)))
	before := s.Settle("before") // with the parent, whose kernel memory is in the cgroup too
	s.Ask(p, "fork")
	s.AwaitZombies(count)
	after := s.Settle("after")
	s.PutChange("kmem-B/zombie", before.Kmem, after.Kmem, count)
}

// The children of a coprocess are zombies, it is not, and nothing of it is left.
func TestCoprocRaisesZombies(t *testing.T) {
	program(t, "perl")
	const count = 50
	for _, tt := range []struct {
		name    string
		zombies int // that are waited for
		tasks   int
	}{
		{"an army", count, count + 1},
		{"control: nobody", 0, 1},
	} {
		tasks := 0
		e := toy("coproc", bench.Setup{
			Bench: "Coproc", Needs: []bench.Need{bench.NeedRoot, bench.NeedKmem}, Army: bench.Army{Zombies: count, Tasks: 1},
			Run: bench.Stepwise(func(s *bench.Steps) { raise(s, tt.zombies); tasks = s.Tasks() }),
		})
		r := labtest.Trials(t, e, "")[0]
		if tasks != tt.tasks {
			t.Errorf("%s: %d tasks, want %d", tt.name, tasks, tt.tasks)
		}
		if held := labtest.Value(t, r, "kmem-B/zombie"); (held > 4096) != (tt.zombies > 0) {
			t.Errorf("%s: a zombie holds %v B", tt.name, held)
		}
	}
}

func TestCoprocThatCannotRun(t *testing.T) {
	program(t, "sh")
	e := toy("coproc", setup("Coproc", bench.Stepwise(func(s *bench.Steps) {
		s.Ask(s.Coproc(exec.Command("sh", "-c", "echo no pids >&2; exit 1")), "fork")
		s.AwaitZombies(7)
	})))
	if _, _, err := labtest.TryTrials(t, t.Context(), e, "", nil); err == nil || !strings.Contains(err.Error(), "no pids") {
		t.Error(err)
	}
}
