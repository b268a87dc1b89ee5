package lifecycle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"zombench/measure"
	"zombench/measure/bpf"
	"zombench/measure/taskscan"
	"zombench/measure/zombietest"
)

func TestMain(m *testing.M) { zombietest.Main(m) }

// bucketOf is what the BPF program computes.
func bucketOf(d time.Duration) int {
	us := uint64(max(d, 0) / time.Microsecond)
	if us < perOctave {
		return int(us)
	}
	e := bits.Len64(us) - 1
	return min((e-2)*perOctave+int(us>>(e-3)&7), buckets-1)
}

func start(t testing.TB, room Room) *Tracer {
	t.Helper()
	types, err := bpf.Load(measure.Host())
	var level uint32
	if err == nil {
		level, err = types.NamespaceLevel()
	}
	var tracer *Tracer
	if err == nil {
		tracer, err = Start(types, level, room)
	}
	if errors.Is(err, measure.ErrNotSupported) || errors.Is(err, measure.ErrNotPermitted) && os.Geteuid() != 0 {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tracer.Close)
	return tracer
}

// until reads until what is read is as it should be: the kernel frees some
// milliseconds after the reap, and what it does not pass on has to be recovered.
func until(t *testing.T, tracer *Tracer, ok func(*Reading) bool) *Reading {
	t.Helper()
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		r, err := tracer.Read()
		if err != nil {
			t.Fatal(err)
		}
		if ok(r) || time.Since(start) > 20*time.Second {
			return r
		}
		if time.Since(start) > 3*time.Second {
			recoverBy(t, tracer, 5*time.Second)
		}
	}
}

// recoverBy recovers by a scan.
func recoverBy(t *testing.T, tracer *Tracer, grace time.Duration) {
	t.Helper()
	dead, err := tracer.Dead()
	if err != nil {
		t.Fatal(err)
	}
	s, err := taskscan.New()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Level() > 0 {
		return
	}
	if err := s.Scan(func(k *taskscan.Task) { delete(dead, k.Start) }); err != nil {
		t.Fatal(err)
	}
	if err := tracer.Recover(dead, grace); err != nil {
		t.Fatal(err)
	}
}

// A reap that was not passed on is found when its parent's children are looked at,
// and those that stand are left alone.
func TestRecover(t *testing.T) {
	tracer := start(t, DefaultRoom())
	army := zombietest.Army(t, 5)
	parent := of(until(t, tracer, func(r *Reading) bool { return of(r, army.PID).Deaths == 5 }), army.PID)
	var dead [deadSize]byte
	key := parent.ID.key()
	copy(dead[deadParent:], key[:])
	if err := tracer.dead.Put(ID{TGID: 1 << 40, Start: 1}.key(), dead); err != nil { // died long ago
		t.Fatal(err)
	}
	recoverBy(t, tracer, time.Hour)
	r, err := tracer.Read()
	if err != nil || of(r, army.PID).Reaps != 0 {
		t.Errorf("recovered at once: %+v, %v", of(r, army.PID).Counts, err)
	}
	for range 3 {
		recoverBy(t, tracer, 0)
		if r, err = tracer.Read(); err != nil {
			t.Fatal(err)
		}
		if got := of(r, army.PID); got.Counts != (Counts{5, 5, 1}) || got.Latency.Count != 0 || r.Untimed == 0 {
			t.Errorf("%+v, untimed %d", got.Counts, r.Untimed)
		}
	}
	// Two of its reaps, of which one is its own, are not passed on: what it did goes to
	// its name.
	army.Stop()
	until(t, tracer, func(r *Reading) bool { return of(r, army.PID).PID == 0 })
	if err := tracer.parents.Put(key, entryOf(Counts{5, 5, 3}, "recovered")); err != nil {
		t.Fatal(err)
	}
	if err := tracer.dead.Put(key, dead); err != nil {
		t.Fatal(err)
	}
	recoverBy(t, tracer, 0)
	recoverBy(t, tracer, 0)
	if r, err = tracer.Read(); err != nil {
		t.Fatal(err)
	}
	if got := command(r, "recovered"); of(r, army.PID).PID != 0 || got != (Counts{5, 5, 5}) {
		t.Errorf("after its end: %+v", got)
	}
}

// entryOf is an entry of a map.
func entryOf(c Counts, name string) (e entry) {
	binary.NativeEndian.PutUint64(e[offBirths:], c.Births)
	binary.NativeEndian.PutUint64(e[offDeaths:], c.Deaths)
	binary.NativeEndian.PutUint64(e[offReaps:], c.Reaps)
	copy(e[offComm:], name)
	return e
}

// command returns what parents of a name did that have ended.
func command(r *Reading, name string) Counts {
	for _, c := range r.Commands {
		if c.Name == name {
			return c.Counts
		}
	}
	return Counts{}
}

// within reports whether what was read is what happened, but for events that the
// kernel did not pass on and that are known as such.
func within(got, want Counts, lost uint64) bool {
	if got.Births > want.Births || got.Deaths > want.Deaths || got.Reaps > want.Reaps {
		return false
	}
	d := want.Sub(got)
	return d.Births+d.Deaths+d.Reaps <= lost
}

func of(r *Reading, pid int) Parent {
	for _, p := range r.Parents {
		if p.PID == pid {
			return p
		}
	}
	return Parent{}
}

// What a parent counts itself is what is read, exactly: births, deaths, and reaps.
func TestExact(t *testing.T) {
	tracer := start(t, DefaultRoom())
	p := zombietest.Start(t, `
		$0 = "exactly"; my ($born, $reaped) = (0, 0);
		for (1 .. 3000) { my $pid = fork; defined $pid or next; $pid or exit; $born++; if ($_ % 3) { waitpid($pid, 0) == $pid and $reaped++ } }
		print "$born $reaped\n"; <STDIN>; sleep 1 while 1`)
	var born, reaped uint64
	fmt.Sscan(p.Line(t), &born, &reaped)
	want := Counts{born, born, reaped}
	r := until(t, tracer, func(r *Reading) bool { return of(r, p.PID).Counts == want })
	got := of(r, p.PID)
	if !within(got.Counts, want, r.Lost) || got.Latency.Count+r.Lost+r.Untimed < reaped || got.Command != "exactly" || got.Child != "exactly" || got.Ended {
		t.Errorf("%+v, want %+v", got.Counts, want)
	}
	if r.Lost != 0 && preemptible(t) {
		t.Logf("%d events were lost, and are known to be", r.Lost)
	} else if r.Lost != 0 {
		t.Errorf("%d events lost", r.Lost)
	}
	if n := tracer.recovered.all; n != 0 || r.Untimed != 0 {
		t.Logf("%d reaps were not passed on, and were found by a scan; %d deaths were not timed", n, r.Untimed)
		if r.Untimed != n {
			t.Error("the others should have been")
		}
	}
	// When it ends, its zombies go with it, and its counts to those of its name.
	p.Stop()
	want.Reaps = born
	got2 := Counts{}
	r = until(t, tracer, func(r *Reading) bool {
		got2 = command(r, "exactly")
		return of(r, p.PID).PID == 0 && got2.Births >= born
	})
	if !within(got2, want, r.Lost) {
		t.Errorf("after its end %+v, want %+v", got2, want)
	}
}

// Who reaps late shows it, who reaps at once does not.
func TestLatency(t *testing.T) {
	tracer := start(t, DefaultRoom())
	late := zombietest.Start(t, `my @t; for (1 .. 40) { my $pid = fork; $pid or exit; push @t, $pid; select undef, undef, undef, 0.02; waitpid shift @t, 0 if @t > 25 }
		select undef, undef, undef, 0.1; waitpid $_, 0 for @t; print "done\n"; sleep 1 while 1`)
	well := zombietest.Start(t, `for (1 .. 40) { my $pid = fork; $pid or exit; waitpid $pid, 0 } print "done\n"; sleep 1 while 1`)
	blocked := zombietest.Start(t, `for (1 .. 5) { my $pid = fork; $pid or (select(undef, undef, undef, 0.3), exit); waitpid $pid, 0 } print "done\n"; sleep 1 while 1`)
	ignores := zombietest.Start(t, `$SIG{CHLD} = "IGNORE"; for (1 .. 40) { my $pid = fork; $pid or exit } sleep 1; print "done\n"; sleep 1 while 1`)
	for _, tt := range []struct {
		name   string
		p      *zombietest.Parent
		n      uint64
		lo, hi time.Duration // of the median
	}{
		{"late", late, 40, 300 * time.Millisecond, 5 * time.Second}, // an emulated machine is slow
		{"well", well, 40, 0, 200 * time.Millisecond},
		{"sleeps in wait", blocked, 5, 0, 200 * time.Millisecond},
		{"ignores SIGCHLD", ignores, 40, 0, 50 * time.Millisecond},
	} {
		tt.p.Line(t)
		r := until(t, tracer, func(r *Reading) bool { return of(r, tt.p.PID).Reaps == tt.n })
		got := of(r, tt.p.PID)
		lo, hi := got.Latency.Quantile(0.5)
		if !within(got.Counts, Counts{tt.n, tt.n, tt.n}, r.Lost) || got.Latency.Count+r.Lost+r.Untimed < tt.n || lo < tt.lo || hi > tt.hi {
			t.Errorf("%s: %+v, median %v to %v of %d, longest %v", tt.name, got.Counts, lo, hi, got.Latency.Count, got.Latency.Longest)
		}
	}
}

// What there is no room for is in the sums of all, and is counted as such.
func TestNoRoom(t *testing.T) {
	tracer := start(t, Room{Parents: 1, Dead: 10})
	first, err := tracer.Read()
	if err != nil {
		t.Fatal(err)
	}
	before := first.All
	armies := []*zombietest.Parent{zombietest.Army(t, 100), zombietest.Army(t, 100)}
	r := until(t, tracer, func(r *Reading) bool { return r.All.Deaths >= before.Deaths+200 })
	if r.All.Deaths+r.Lost < before.Deaths+200 || r.Untimed+r.Lost < 180 || len(r.Parents) > 1 || r.Other.Deaths+r.Lost < 100 {
		t.Errorf("%+v, untimed %d, %d parents, other %+v, lost %d", r.All, r.Untimed, len(r.Parents), r.Other, r.Lost)
	}
	for _, a := range armies {
		a.Say(t, "reap")
		a.Line(t)
	}
	r = until(t, tracer, func(r *Reading) bool { return r.All.Reaps >= before.Reaps+200 })
	if r.All.Reaps+r.Lost < before.Reaps+200 {
		t.Errorf("%+v", r.All)
	}
}

// preemptible reports whether the kernel may run tracepoints preemptibly: an event
// is left out, and counted, while the program is at work for another on the same
// CPU. 7.2 does, 6.18 does not.
func preemptible(t *testing.T) bool {
	t.Helper()
	release, err := measure.Host().Release()
	if err != nil {
		t.Fatal(err)
	}
	return release.AtLeast(6, 19)
}

// Threads are no processes, and their end is not one's death.
func TestThreads(t *testing.T) {
	tracer := start(t, DefaultRoom())
	zombietest.EndedLeader(t) // has threads, and its main thread ends
	time.Sleep(300 * time.Millisecond)
	r, err := tracer.Read()
	if err != nil {
		t.Fatal(err)
	}
	if got := of(r, os.Getpid()); got.Births != 1 || got.Deaths != 0 {
		t.Errorf("%+v", got.Counts)
	}
}

func TestBuckets(t *testing.T) {
	for i := range buckets - 1 {
		lo, hi := Bucket(i)
		if bucketOf(lo) != i || bucketOf(hi-1) != i || bucketOf(hi) != i+1 {
			t.Fatalf("bucket %d is from %v to %v, which are in %d and %d", i, lo, hi, bucketOf(lo), bucketOf(hi))
		}
		if i >= perOctave && hi-lo > lo/perOctave+1 {
			t.Errorf("bucket %d is wide: %v to %v", i, lo, hi)
		}
	}
	if i := bucketOf(1 << 62); i != buckets-1 {
		t.Error(i)
	}
}

func TestQuantile(t *testing.T) {
	var l Latency
	if lo, hi := l.Quantile(0.5); lo != 0 || hi != 0 {
		t.Error(lo, hi)
	}
	for _, i := range rand.Perm(1000) {
		d := time.Duration(i+1) * time.Millisecond
		l.Buckets[bucketOf(d)]++
		l.Longest = max(l.Longest, d)
		l.Count++
	}
	for _, q := range []float64{0.01, 0.5, 0.99, 1} {
		lo, hi := l.Quantile(q)
		if want := time.Duration(q * float64(time.Second)); lo > want || hi < want || hi > lo*9/8+time.Microsecond {
			t.Errorf("quantile %v: %v to %v", q, lo, hi)
		}
	}
	if d := l.Sub(l); d.Count != 0 || d.Buckets != [buckets]uint32{} {
		t.Error(d)
	}
}
