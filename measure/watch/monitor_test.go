package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zombench/measure"
	"zombench/measure/lifecycle"
	"zombench/measure/zombietest"
)

func TestMain(m *testing.M) { zombietest.Main(m) }

// open opens a Monitor; it skips the test where BPF is not to be had.
func open(t *testing.T, noBPF bool) *Monitor {
	t.Helper()
	m, err := Open(Options{FS: measure.Host(), Pages: 10_000, Charge: 9600, Room: lifecycle.DefaultRoom(), NoBPF: noBPF})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	if len(m.Unseen()) > 0 && !noBPF {
		t.Skip(m.Unseen())
	}
	return m
}

var errDone = errors.New("seen")

// follow runs the Monitor until see says so, or the time is up.
func follow(t *testing.T, m *Monitor, interval, most time.Duration, see func(*Report) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	err := m.Run(ctx, interval, func(r *Report) error {
		if see(r) {
			return errDone
		}
		return nil
	})
	if err != errDone {
		t.Errorf("not seen within %v (%v)", most, err)
	}
}

func parentOf(r *Report, pid int) (Parent, bool) {
	for _, p := range r.Parents {
		if p.PID == pid {
			return p, true
		}
	}
	return Parent{}, false
}

// A parent that leaks is told from one that reaps late and from one that reaps at
// once, and a scan says the same of the zombies.
func TestLeakLateWell(t *testing.T) {
	for _, noBPF := range []bool{false, true} {
		t.Run(fmt.Sprintf("noBPF=%v", noBPF), func(t *testing.T) {
			if os.Geteuid() != 0 || testing.Short() {
				t.Skip("needs root and half a minute")
			}
			m := open(t, noBPF)
			leak := zombietest.Start(t, `while (1) { my $pid = fork; defined $pid and !$pid and exit; select undef, undef, undef, 0.05 }`)
			late := zombietest.Start(t, `my @t; while (1) { my $pid = fork; $pid or exit; push @t, $pid;
				select undef, undef, undef, 0.05; waitpid shift @t, 0 if @t > 40 }`)
			well := zombietest.Start(t, `while (1) { my $pid = fork; $pid or exit; waitpid $pid, 0; select undef, undef, undef, 0.05 }`)
			began := time.Now()
			follow(t, m, time.Second, 30*time.Second, func(r *Report) bool {
				if time.Since(began) < 14*time.Second {
					return false
				}
				l, ok := parentOf(r, leak.PID)
				if !ok || !l.Growth.Leak || l.Growth.PerSecond < 5 || l.Growth.PerSecond > 20 || l.Zombies < 50 || l.Bytes != uint64(l.Zombies)*10_000 {
					t.Errorf("who leaks: %+v", l)
				}
				if p, _ := parentOf(r, late.PID); p.Growth.Leak || p.Zombies < 10 || p.Zombies > 60 {
					t.Errorf("who reaps late: %+v", p)
				} else if !noBPF && (p.Latency == nil || p.Latency.P50 < 1900*time.Millisecond || p.Latency.P50 > 20*time.Second) {
					t.Errorf("who reaps late: %+v", p.Latency)
				}
				if p, _ := parentOf(r, well.PID); p.Growth.Leak || p.Zombies > 1 {
					t.Errorf("who reaps well: %+v", p)
				} else if !noBPF && (p.Latency == nil || p.Latency.P50 > time.Second) {
					t.Errorf("who reaps well: %+v", p.Latency)
				}
				if len(r.Forecasts) == 0 || r.Zombies < l.Zombies { // other tests may make and reap some
					t.Errorf("%d zombies, %+v", r.Zombies, r.Forecasts)
				}
				if noBPF != (r.Source == ProcScan) || noBPF == (len(r.Unseen) == 0) || noBPF != (r.Arose == nil) {
					t.Errorf("source %q, unseen %q, arose %v", r.Source, r.Unseen, r.Arose)
				}
				return true
			})
		})
	}
}

// The time at which a limit is reached comes within the interval that was foretold.
func TestForecast(t *testing.T) {
	if os.Geteuid() != 0 || testing.Short() {
		t.Skip("needs root and a minute")
	}
	const room, aUser = 600, 1_901_000_002 // nobody else's tasks
	for _, tt := range []struct {
		limit string
		set   func(t *testing.T, pid int) (where string)
	}{
		{"pids.max", func(t *testing.T, pid int) string {
			dir := pidsCgroup(t)
			for file, n := range map[string]int{"cgroup.procs": pid, "pids.max": room} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(fmt.Sprint(n)), 0); err != nil {
					t.Fatal(err)
				}
			}
			return dir + "/pids.max"
		}},
		{"RLIMIT_NPROC", func(t *testing.T, pid int) string {
			if err := unix.Prlimit(pid, unix.RLIMIT_NPROC, &unix.Rlimit{Cur: room, Max: room}, nil); err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("/proc/%d/limits", pid)
		}},
	} {
		t.Run(tt.limit, func(t *testing.T) {
			m := open(t, false)
			leak := zombietest.Start(t, `use POSIX; print "ready\n"; <STDIN>; my $u = shift; if ($u) { setgid($u); setuid($u) }
				my $n = 0; my $ticks = (POSIX::times())[0]; # as steadily as a busy machine lets it
				while (1) { my $pid = fork; defined $pid or last; $pid or _exit(0); $n++; my $wait = $n / 25 - ((POSIX::times())[0] - $ticks) / 100; select undef, undef, undef, $wait if $wait > 0 } print "$n\n"; sleep 1 while 1`,
				fmt.Sprint(map[bool]int{true: aUser}[tt.limit == "RLIMIT_NPROC"]))
			leak.Line(t)
			where := tt.set(t, leak.PID)
			t.Cleanup(leak.Stop) // before its cgroup goes
			leak.Say(t, "go")
			began := time.Now()
			var f Forecast
			var said time.Time
			follow(t, m, time.Second, 15*time.Second, func(r *Report) bool {
				if time.Since(began) < 8*time.Second {
					return false
				}
				for _, x := range r.Forecasts {
					if x.Where == where && x.Limit == tt.limit {
						f, said = x, r.Time
					}
				}
				return true
			})
			if !f.Grows {
				t.Fatalf("nothing is foretold: %+v", f)
			}
			made := leak.Line(t)
			took := time.Since(said)
			t.Logf("%s zombies; foretold %v (%v to %v), came after %v", made, f.In, f.Lo, f.Hi, took)
			if took < f.Lo || took > f.Hi {
				t.Errorf("the limit was reached after %v, foretold were %v to %v", took, f.Lo, f.Hi)
			}
			if made != fmt.Sprint(room-1) { // and the parent
				t.Errorf("%s zombies, want %d", made, room-1)
			}
		})
	}
}

// pidsCgroup makes a cgroup with the pids controller.
func pidsCgroup(t *testing.T) string {
	t.Helper()
	for _, mount := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup"} {
		dir := fmt.Sprintf("%s/zombench-watch-%d", mount, os.Getpid())
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			for range 1000 { // those in it were killed, and end
				if os.Remove(dir) == nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
			t.Errorf("%s cannot be removed", dir)
		})
		if _, err := os.Stat(filepath.Join(dir, "pids.max")); err == nil {
			return dir
		}
	}
	t.Skip("needs a cgroup with the pids controller")
	return ""
}

// What the reports of all intervals add up to is what the program itself has
// counted, while it lives and after its end.
func TestSums(t *testing.T) {
	m := open(t, false)
	p := zombietest.Start(t, `$0 = "counts-itself"; my ($born, $reaped) = (0, 0);
		for (1 .. 2000) { my $pid = fork; defined $pid or next; $pid or exit; $born++; if ($_ % 3) { waitpid($pid, 0) == $pid and $reaped++ } }
		print "$born $reaped\n"; sleep 1 while 1`)
	told := make(chan lifecycle.Counts, 1)
	go func() {
		var c lifecycle.Counts
		fmt.Sscan(p.Line(t), &c.Births, &c.Reaps)
		c.Deaths = c.Births
		told <- c
	}()
	var want, got lifecycle.Counts
	for _, part := range []string{"alive", "ended"} {
		follow(t, m, 500*time.Millisecond, 2*time.Minute, func(r *Report) bool {
			select {
			case want = <-told:
			default:
			}
			for _, x := range r.Parents {
				if x.Name == "counts-itself" {
					got = got.Plus(lifecycle.Counts{Births: x.Born, Deaths: x.Arose, Reaps: x.Reaped})
				}
			}
			for _, x := range r.Commands {
				if x.Name == "counts-itself" {
					got = got.Plus(lifecycle.Counts{Births: x.Born, Deaths: x.Arose, Reaps: x.Reaped})
				}
			}
			lost := r.Lost > 0 && got.Births <= want.Births && got.Deaths <= want.Deaths && got.Reaps <= want.Reaps && r.Lost >= want.Births-got.Births+want.Deaths-got.Deaths+want.Reaps-got.Reaps
			return want.Births > 0 && (got == want || lost)
		})
		t.Logf("%s: %+v, want %+v", part, got, want)
		p.Stop()
		want.Reaps = want.Births // they went with it
	}
}

// What a parent did after the last Report and before it ended is told of its name.
func TestEndedParent(t *testing.T) {
	m := &Monitor{parents: make(map[lifecycle.ID]*parent), byPID: make(map[int]*parent), folded: make(map[string]*folded), labels: make(labels), tracer: new(lifecycle.Tracer),
		o: Options{FS: measure.FS{Proc: t.TempDir(), Sys: t.TempDir(), Root: t.TempDir()}, Pages: 1}, scanned: time.Now(), scanTook: time.Hour}
	read := func(r lifecycle.Reading) {
		m.reading = &r
		m.update(time.Now())
	}
	told := func() (sum lifecycle.Counts) {
		t.Helper()
		r, err := m.Report(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range r.Parents {
			sum = sum.Plus(lifecycle.Counts{Births: p.Born, Deaths: p.Arose, Reaps: p.Reaped})
		}
		for _, c := range r.Commands {
			sum = sum.Plus(lifecycle.Counts{Births: c.Born, Deaths: c.Arose, Reaps: c.Reaped})
		}
		return sum
	}
	one := func(n uint64) lifecycle.Parent {
		return lifecycle.Parent{ID: lifecycle.ID{TGID: 7, Start: 1}, PID: 7, Command: "sh", Counts: lifecycle.Counts{Births: n, Deaths: n, Reaps: n}}
	}
	read(lifecycle.Reading{Parents: []lifecycle.Parent{one(10)}})
	if got := told(); got != one(10).Counts {
		t.Errorf("%+v", got)
	}
	read(lifecycle.Reading{Parents: []lifecycle.Parent{one(25)}}) // no report comes before it ends
	read(lifecycle.Reading{Commands: []lifecycle.Command{{Name: "sh", Parents: 1, Counts: one(27).Counts}}})
	if got := told(); got != one(17).Counts {
		t.Errorf("after its end %+v, want 17 of each", got)
	}
	if got := told(); got != (lifecycle.Counts{}) {
		t.Errorf("once more %+v", got)
	}
}

// Rates and forecasts from made-up blocks.
func TestGrowth(t *testing.T) {
	blocks := func(n ...int64) []block {
		var all []block
		for _, g := range n {
			all = append(all, block{g, 1})
		}
		return all
	}
	for _, tt := range []struct {
		name   string
		blocks []block
		leak   bool
	}{
		{"nothing", blocks(0, 0, 0, 0, 0, 0, 0, 0), false},
		{"none at all", nil, false},
		{"too little to say", blocks(7, 7, 7), false},
		{"a leak", blocks(7, 7, 7, 6, 8, 7, 7), true},
		{"a slow leak", blocks(1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 0, 1), true},
		{"one zombie", blocks(1, 0, 0, 0, 0, 0, 0, 0), false},
		{"gathers, then stands", blocks(7, 7, 0, 0, 0, 0, 0, 0, 0, 0), false},
		{"comes and goes", blocks(5, -5, 4, -4, 6, -6, 5, -5), false},
		{"shrinks", blocks(-7, -7, -7, -7, -7, -7), false},
	} {
		g := growthOf(tt.blocks)
		if g.Leak != tt.leak {
			t.Errorf("%s: %+v", tt.name, g)
		}
		if _, _, _, ok := g.After(100); ok != tt.leak {
			t.Errorf("%s: a forecast: %v", tt.name, ok)
		}
	}
	g := growthOf(blocks(7, 7, 7, 6, 8, 7, 7))
	in, lo, hi, _ := g.After(2000)
	if want := 2000 * time.Second / 7; in < want-time.Second || in > want+time.Second || lo >= in || hi <= in || hi > 2*in {
		t.Errorf("2000 at 7 a second: %v (%v to %v)", in, lo, hi)
	}
}
