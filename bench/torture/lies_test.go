package torture

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zombench/bench/labtest/machine"
	"zombench/results"
)

var lying = flag.Bool("lies", false, "build programs that lie, and see who catches them")

// A lie is a change to one file of a program that makes its numbers wrong.
type lie struct {
	name     string
	file     string   // below the root of the module
	edits    []string // what to replace by what
	caughtBy string   // a regular expression of what the instrument itself then says
}

const (
	tally     = "r.Standing, r.Failed = a.Tally()"
	raise     = "a.each(a.raiseOn)"
	spawnTime = `field("SPAWN_NS", r.Elapsed.Nanoseconds())`
	charge    = "return &kernel.Bytes, nil\n}\n\n// TaskStruct"
	slabRead  = "sample.Slab = &slab"
)

// lies are seeded one at a time: the daemon's, then the harness's own.
var lies = []lie{
	{"the daemon reaps one", "cmd/zombied/internal/army/army.go",
		[]string{tally, tally + "; for _, pid := range a.pids { if pid != 0 { unix.Wait4(int(pid), nil, 0, nil); break } }"},
		`pids\.current grew by \d+ and not by`},
	{"the daemon makes one too many", "cmd/zombied/internal/army/army.go",
		[]string{tally, tally + "; if len(a.pids) > 0 { a.spawner.Spawn(make([]int32, 1)) }"},
		`pids\.current grew by \d+ and not by`},
	{"the daemon makes one too few and says all", "cmd/zombied/internal/army/army.go",
		[]string{"from >= len(a.pids) {", "from >= len(a.pids)-1 {", "min(from+a.batch, len(a.pids))]\n\t\tt.batches", "min(from+a.batch, len(a.pids)-1)]\n\t\tt.batches",
			tally, tally + "; r.Standing = len(a.pids)"},
		`\d+ of \d+ zombies were raised`},
	{"the daemon keeps one when it reaps and says all", "cmd/zombied/internal/army/army.go",
		[]string{"if pid == 0 {", "if pid == a.pids[0] { t.ends.Exited++; continue }\nif pid == 0 {"},
		`pids\.current is \d+ after the reap`},
	{"the daemon forgets how one has ended", "cmd/zombied/internal/army/army.go",
		[]string{"r.Exited += t.ends.Exited", "r.Exited += max(t.ends.Exited-1, 0)"},
		`\d+ of \d+ zombies were reaped`},
	{"the daemon grows threads", "cmd/zombied/internal/army/army.go",
		[]string{raise, "for range 40 { go func() { runtime.LockOSThread(); select {} }() }; time.Sleep(50 * time.Millisecond); " + raise},
		`zombied's threads changed`},
	{"the daemon keeps a descriptor for each child", "cmd/zombied/internal/army/army.go",
		[]string{raise, raise + "; for _, pid := range a.pids { unix.PidfdOpen(int(pid), 0) }"},
		`kernel memory changed by`},
	{"the daemon's clock is fast", "cmd/zombied/daemon.go",
		[]string{spawnTime, `field("SPAWN_NS", 2*r.Elapsed.Nanoseconds())`},
		`zombied's clock`},
	{"the daemon's clock is slow", "cmd/zombied/daemon.go",
		[]string{spawnTime, `field("SPAWN_NS", r.Elapsed.Nanoseconds()/10)`},
		`zombied's clock`},
	{"the daemon works outside its cgroup", "bench/site.go",
		[]string{"return s.cgroup.Start(cmd)", "return cmd.Start()"},
		`pids\.current grew by 0`},
	{"a control raises one", "bench/memory/trial.go",
		[]string{"daemon.Options{Count: a.count,", "daemon.Options{Count: max(a.count, 1),"},
		`1 of 0 zombies were raised`},
	{"nothing settles", "bench/settle.go",
		[]string{"still, restless := 1, ", "if err == nil { return last, \"\", nil }\nstill, restless := 1, "},
		`kernel memory changed by|SUnreclaim moved by more|pids\.current is`},
	{"the pids are those of before", "bench/sample.go",
		[]string{"sample.Pids = &n", "n = 17; sample.Pids = &n"},
		`pids\.current grew by 0`},
	{"a cache is not counted", "bench/sample.go",
		[]string{slabRead, `for i, c := range slab.Caches { if strings.HasPrefix(c.Name, "sig") { slab.Caches[i].ActiveObjs = 0 } }; ` + slabRead, "\"slices\"\n", "\"slices\"\n\"strings\"\n"},
		`SUnreclaim moved by more|does not add up`},
	{"task_structs are counted by half", "bench/sample.go",
		[]string{slabRead, `for i, c := range slab.Caches { if c.Name == TaskStruct { slab.Caches[i].ActiveObjs /= 2 } }; ` + slabRead},
		`other processes began or ended`},
	{"SUnreclaim is read from the wrong line", "bench/sample.go",
		[]string{"sample.Mem = &mem", "mem.SUnreclaim = mem.SReclaimable; sample.Mem = &mem"},
		`SUnreclaim moved by more`},
	{"a twentieth of the charge is not counted", "bench/sample.go",
		[]string{charge, "kernel.Bytes -= kernel.Bytes / 20; " + charge},
		`SUnreclaim moved by more|does not add up`},
	{"a twentieth of the charge is counted twice", "bench/sample.go",
		[]string{charge, "kernel.Bytes += kernel.Bytes / 20; " + charge},
		`does not add up`},
}

// Every lie is caught by the program that tells it: by an invariant, which breaks
// the trial, by a comparison of two instruments, which flags it, by a control, or
// by the ledger. Who tells the truth is not accused.
func TestLies(t *testing.T) {
	if !*lying {
		t.Skip("go test ./bench/torture -lies builds twenty programs that lie")
	}
	honest := t.TempDir()
	for _, program := range []string{"zombench", "zombied"} {
		compile(t, honest, program)
	}
	// What a busy machine has said of the truth too says nothing of a lie.
	truth := strings.Join(accusations(t, honest, honest), "\n")
	t.Logf("of the truth: %q", truth)
	for _, l := range lies {
		t.Run(l.name, func(t *testing.T) {
			liar := t.TempDir()
			compile(t, liar, l.program(), "-overlay", l.overlay(t))
			zombench, zombied := honest, liar
			if l.program() == "zombench" {
				zombench, zombied = zombied, zombench
			}
			said := strings.Join(accusations(t, zombench, zombied), "\n")
			t.Logf("caught by: %q", said)
			switch caught := regexp.MustCompile(l.caughtBy); {
			case !caught.MatchString(said):
				t.Errorf("not caught by %q", l.caughtBy)
			case caught.MatchString(truth):
				t.Skip("this machine is too busy to tell: it is said of the truth too")
			}
		})
	}
}

// What the lies are told in place of still stands in the programs.
func TestLiesAreUpToDate(t *testing.T) {
	for _, l := range lies {
		t.Run(l.name, func(t *testing.T) { l.overlay(t) })
	}
}

// program is the one that tells the lie.
func (l lie) program() string {
	if strings.HasPrefix(l.file, "cmd/zombied") {
		return "zombied"
	}
	return "zombench"
}

// compile builds a program into a directory.
func compile(t *testing.T, dir, program string, flags ...string) {
	t.Helper()
	args := append([]string{"build", "-o", filepath.Join(dir, program)}, flags...)
	if out, err := exec.Command("go", append(args, "zombench/cmd/"+program)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// overlay writes the lie in place of the truth, for go build -overlay.
func (l lie) overlay(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, l.file)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(l.edits); i += 2 {
		if bytes.Count(b, []byte(l.edits[i])) != 1 {
			t.Fatalf("%s holds %q not once: the lie is out of date", l.file, l.edits[i])
		}
		b = bytes.Replace(b, []byte(l.edits[i]), []byte(l.edits[i+1]), 1)
	}
	dir := t.TempDir()
	lies, overlay := filepath.Join(dir, "lie.go"), filepath.Join(dir, "overlay.json")
	j, err := json.Marshal(map[string]map[string]string{"Replace": {file: lies}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lies, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, j, 0o644); err != nil {
		t.Fatal(err)
	}
	return overlay
}

// accusations runs the programs and returns what is said against all armies or
// all controls of their results, each once. An army of which nothing is said passes
// for good.
func accusations(t *testing.T, zombench, zombied string) (said []string) {
	t.Helper()
	machine.Exclusive(t)
	out := filepath.Join(t.TempDir(), "out.txt")
	program := filepath.Join(zombench, "zombench")
	run := exec.Command(program, "run", "-q", "--zombied", filepath.Join(zombied, "zombied"), "--lock", filepath.Join(t.TempDir(), "lock"),
		"--count", "3000,6000", "--parallel", "1", "--spawn", "exec", "--samples", "2", "--seed", "1", "-o", out)
	_ = run.Run() // that all trials are broken is in the file
	set, errs := results.Load(out)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	good := map[bool]int{} // of controls, and of armies
	for _, r := range set.Records {
		of := append(slices.Clone(r.Warnings), r.Broken)
		if r.Broken == "" && len(r.Warnings) == 0 {
			good[r.Control]++
		}
		said = append(said, of...)
	}
	if good[false] > 0 && good[true] > 0 {
		said = nil
	}
	if message, err := exec.Command(program, "explain", out).CombinedOutput(); err != nil {
		said = append(said, string(message[bytes.LastIndexByte(bytes.TrimSpace(message), '\n')+1:]))
	}
	slices.Sort(said)
	return slices.DeleteFunc(slices.Compact(said), func(s string) bool { return s == "" })
}
