package results

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/perf/benchfmt"
)

func header() Header {
	return Header{
		Config: []Param{{"kernel", "6.18.44"}, {"goos", "linux"}, {"goarch", "amd64"},
			{"cpu", "Some CPU @ 2.00GHz"}, {"page-size", "4096"}, {"cgroup", "v1"}, {"vm", ""}},
		Comments: []string{"zombench, seed 1", "noisy: this is free text\nand its second line"},
		Units:    Units(),
		Facts: Facts{
			Run: Run{"an odd=run", 13},
			Kernel: Kernel{PointerBytes: 8, ThreadInfoInTask: Yes, PossibleCPUs: 2, Structs: []Counter{{"task_struct", 5824}, {"a b=c%", 1}},
				Layouts: []Layout{{"pid", []Member{{"count", 32}, {"", 29}, {"one|other", 1}, {"flag", 2}}}, {"cred", []Member{{"usage", 64}}}}},
			Caches: []Cache{
				{Name: "cred", Size: 192, Used: 184, PerSlab: 21, SlabBytes: 4096, Charged: Yes, Aliases: []string{"cred", "pid"}},
				{Name: "odd name=1,%41:", Size: 8, PerSlab: 512, SlabBytes: 4096, Reclaimable: true, Charged: Unknown},
				{Name: "nobody mentions me", Charged: No},
			},
			About: []Explanation{{"Zombies", "an army stands"}, {"Reap/method=wait", "the parent waits: for each child"}},
		},
	}
}

// read back, units and caches are facts.
func facts() *Facts {
	f := header().Facts
	f.Caches = f.Caches[:2]
	for _, u := range Units() {
		f.Meanings = append(f.Meanings, Explanation{u.Name, u.Meaning})
	}
	return &f
}

func trials() []Trial {
	name := []Param{{"count", "500"}, {"parallel", "1"}, {"spawn", "os-exec"}}
	ends := Ends{Known: true, Exited: 499, Killed: 1}
	return []Trial{
		{Bench: Zombies, Params: name, N: 500, Ends: ends, Serial: Serial{"an odd=run", 7}, Values: []Value{
			{UnitKmem, 9.6e6}, {UnitSlab, -1310.72}, {UnitPids, 1}, {UnitTime, 450123.456}}},
		{Bench: Zombies, Params: name, N: 500, Values: []Value{{UnitTime, 0}, {"MB/zombie", 1.5}}},
		{Bench: Zombies, Params: name, N: 500, Values: []Value{{UnitKmem, math.MaxFloat64}, {UnitSlab, math.SmallestNonzeroFloat64}},
			Warnings: []string{"something forked 3 times", "it said: BenchmarkX 1 2 y"}, Ends: ends},
		{Bench: Control, Control: true, Params: name[1:], N: 1, Values: []Value{{"kmem-B", 4096}, {"pids", 0}}, Warnings: []string{"loud"}},
		{Bench: Zombies, Params: name, N: 500, Broken: "pids grew by 501: Benchmark of 500", Values: []Value{{UnitPids, 1.002}}, Ends: ends},
		{Bench: Zombies, Params: name, N: 500, Broken: "daemon died"},
		{Bench: Control, Control: true, Params: name[1:], N: 1, Broken: "never settled", Warnings: []string{"loud"}},
		{Bench: "Reap", Control: true, Params: []Param{{"method", "default"}}, N: 500, Values: []Value{{"zombies-left", 500}}},
		{Bench: "Reap", Control: true, Params: []Param{{"method", "default"}}, N: 500, Broken: "a: control Benchmark: of BenchmarkReap 1"},
		{Bench: "Reap", Params: []Param{{"method", "wait"}}, N: 500, Broken: "not: control", Values: []Value{{"zombies-left", 0}}},
		{Bench: Zombies, Params: name, N: 500, Values: []Value{{UnitPredicted, 9.6e6}}, Ends: ends, Readings: []Reading{
			{When: "before", Counters: []Counter{{"pids", 17}, {"kmem-B", math.MaxUint64}}, Caches: []CacheReading{{"task_struct", 83, 28}}},
			{When: "after:", Caches: []CacheReading{{"odd name=1,%41:", 1, 0}, {"task_struct", 583, 128}, {"cred", 0, 0}}},
		}},
		{Bench: "CallSites", Params: []Param{{"spawn", "exec"}}, N: 16, Values: []Value{{"objects/zombie", 7}}, Sites: []CallSite{
			{"copy_process", []string{"task_struct"}, 5888, 5888, Yes, 16},
			{"a function: with=%20", []string{"kmalloc-16", "odd name=1,%41:"}, 11, 16, Unknown, 16},
		}},
		{Bench: "Watchers", N: 64, Values: []Value{{"watchers", 2}}, Watchers: []Watcher{
			{"top", 4242, 1, 24, 500 * time.Millisecond, 4608, 442368},
			{"odd=name, %41", 0, 9, 9, time.Second, 1, math.MaxUint64},
		}},
	}
}

// write writes a file or fails the test.
func write(t testing.TB, h Header, trials []Trial) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := NewWriter(&buf)
	if err := w.WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	for _, trial := range trials {
		if err := w.WriteTrial(trial); err != nil {
			t.Fatal(err)
		}
	}
	return buf.Bytes()
}

// read reads everything; errors of syntax are "line: message", err is any other.
func read(src io.Reader) (recs []Record, errs []string, err error) {
	set, all := Read(src, "f")
	for _, e := range all {
		if syntax, ok := errors.AsType[*benchfmt.SyntaxError](e); ok {
			errs = append(errs, fmt.Sprintf("%d: %s", syntax.Line, syntax.Msg))
		} else {
			err = e
		}
	}
	return set.Records, errs, err
}

func TestRoundTrip(t *testing.T) {
	file := write(t, header(), trials())
	for _, src := range []io.Reader{
		bytes.NewReader(file),
		iotest.OneByteReader(bytes.NewReader(file)),
		bytes.NewReader(bytes.ReplaceAll(file, []byte("\n"), []byte("\r\n"))),
	} {
		recs, errs, err := read(src)
		if err != nil || errs != nil {
			t.Fatalf("%v %v in\n%s", err, errs, file)
		}
		var got []Trial
		for _, rec := range recs {
			got = append(got, rec.Trial)
			if diff := cmp.Diff(header().Config[:6], rec.Config); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(facts(), rec.Facts, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
			lines := strings.Split(string(file), "\n")
			if line := lines[rec.Line-1]; !strings.Contains(line, "Benchmark"+rec.Name()+" ") {
				t.Errorf("line %d is said to be %s: %s", rec.Line, rec.Name(), line)
			}
		}
		if diff := cmp.Diff(trials(), got, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	}
}

// Everyone else must see the good trials, and nothing but them.
func TestBenchfmtSeesTheTrialsThatCount(t *testing.T) {
	r := benchfmt.NewReader(bytes.NewReader(write(t, header(), trials())), "f")
	var got []string
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.Result:
			got = append(got, fmt.Sprintf("%s %d %v", rec.Name, rec.Iters, rec.Values[0]))
			if len(rec.Config) != 6 {
				t.Errorf("configuration %v", rec.Config)
			}
		case *benchfmt.SyntaxError:
			t.Error(rec)
		}
	}
	want := []string{
		"Zombies/count=500/parallel=1/spawn=os-exec 500 {9.6e+06 kmem-B/1000zombies 0 }",
		"Zombies/count=500/parallel=1/spawn=os-exec 500 {0 ns/zombie 0 }",
		"Zombies/count=500/parallel=1/spawn=os-exec 500 {1.7976931348623157e+308 kmem-B/1000zombies 0 }",
		"Zombies/count=500/parallel=1/spawn=os-exec 500 {9.6e+06 predicted-B/1000zombies 0 }",
		"CallSites/spawn=exec 16 {7 objects/zombie 0 }",
		"Watchers 64 {2 watchers 0 }",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if r.Units().GetAssumption(UnitPids).SummaryLabel() != "exact" || r.Units().GetBetter(UnitKmem) != -1 {
		t.Error("unit metadata is lost")
	}
	if r.Units().GetAssumption(UnitKmem).SummaryLabel() == "exact" {
		t.Error("memory is not exact by nature")
	}
}

func TestReaderErrors(t *testing.T) {
	const good = "BenchmarkZombies/count=5 5 1 x\n"
	for _, tt := range []struct {
		name, file string
		records    int
		errs       []string
	}{
		{"iterations", good + "BenchmarkZombies many 1 x\n" + good, 2, []string{"2: parsing iteration count: invalid syntax"}},
		{"no unit", good + "BenchmarkZombies 1 1\n", 1, []string{"2: missing units"}},
		{"NaN", good + "BenchmarkZombies 1 NaN x\n", 1, []string{"2: NaN x is not a measurement"}},
		{"infinite", good + "BenchmarkZombies 1 -Inf x\n", 1, []string{"2: -Inf x is not a measurement"}},
		{"twice", good + "BenchmarkZombies 1 1 x 2 x\n", 1, []string{"2: unit x twice in one trial"}},
		{"zero iterations", good + "BenchmarkZombies 0 1 x\n", 1, []string{"2: 0 iterations"}},
		{"no name", good + "Benchmark 1 1 x\n", 1, []string{"2: benchmark without a name"}},
		{"control", "# control BenchmarkControl 1 1\n" + good, 1, []string{"1: parsing measurement: invalid syntax"}},
		{"control without values", "# control BenchmarkControl 1\n" + good, 1, []string{"1: missing measurements"}},
		{"control of what", "# control BenchmarkControl/of=/x 5 1 x\n# control BenchmarkControl/of=Control/of=Reap 1 1 x\n" + good, 3, nil},
		{"broken line", "# broken: why: BenchmarkZombies 1 1\n" + good, 1, []string{"1: parsing measurement: invalid syntax"}},
		{"broken what", "# broken: why\n" + good, 1, []string{"1: broken trial without reason or benchmark line"}},
		{"ends", "# ends: signals=0 exited=5 killed=0\n" + good, 1, []string{"1: ends: field dumped is missing"}},
		{"ends of what", "# ends: signals=0 exited=-5 killed=0 dumped=0\n" + good, 1, []string{`1: ends: field exited: "-5" is not a count`}},
		{"ends twice", "# ends: signals=0 exited=5 killed=0 dumped=0\n# ends: signals=0 exited=5 killed=0 dumped=0\n" + good, 1,
			[]string{"1: no trial follows this comment (is the file truncated?)", "2: second ends of one trial"}},
		{"stray noise", "# noisy: why\n\n" + good, 1, []string{"1: no trial follows this comment (is the file truncated?)"}},
		{"noise at the end", good + "# noisy: why\n# noisy: oh", 1, []string{"2: no trial follows this comment (is the file truncated?)"}},
		{"noise of a bare name", "# noisy: why\nBenchmarkZombies\n" + good, 1, []string{"1: no trial follows this comment (is the file truncated?)"}},
		{"noise of a broken line", "# noisy: why\nBenchmarkZombies 1 1\n" + good, 1, []string{"2: missing units"}},
		{"units disagree", "Unit x assume=exact\nUnit x assume=nothing\n" + good, 1, []string{"2: metadata assume of unit x already set to exact"}},
		{"reading", "# after: pids=5 kmem-B=\n" + good, 1, []string{`1: reading after: "kmem-B=" is not a count`}},
		{"cache in a reading", "# after: pids=5 cache.cred=7\n" + good, 1, []string{`1: reading after: "cache.cred=7" is not a count`}},
		{"name in a reading", "# after: pids=5 cache.%4=7/1\n" + good, 1, []string{`1: reading after: "cache.%4=7/1" is not a count`}},
		{"slabs of no cache", "# after: pids=5 task_struct-slabs=7\n" + good, 1, []string{`1: reading after: "task_struct-slabs=7" is not a count`}},
		{"kernel", "# kernel: pointer-B=8 struct.cred=x\n" + good, 1, []string{`1: kernel: field struct.cred: "x" is not a count`}},
		{"kernel of what", "# kernel: pointer-B=8 page=7\n" + good, 1, []string{"1: kernel: unknown or repeated field \"page\""}},
		{"layout", "# layout pid: members=count:4,level\n" + good, 1, []string{`1: layout pid: field members: "level" is no NAME:BYTES`}},
		{"layout of less than a bit", "# layout pid: members=count:0.1\n" + good, 1, []string{`1: layout pid: field members: "count:0.1" is no NAME:BYTES`}},
		{"cache", "# cache cred: size=8\n" + good, 1, []string{"1: cache cred: field used is missing"}},
		{"site", "# site f: caches=a requested=1 allocated=1 accounted=perhaps objects=1\n" + good, 1,
			[]string{`1: site f: field accounted: "perhaps" is not yes, no or unknown`}},
		{"site of no trial", "# site f: caches=a requested=1 allocated=1 accounted=no objects=1\n\n" + good, 1, []string{"1: no trial follows this comment (is the file truncated?)"}},
		{"free text", "# before: something else\n# kernel: 6.18\n# cache of: bread\n# site seeing: fun\n# env: GOGC=off\n# about nothing\n# ends of: x=1\n# env: GOGC=1\n# layout of: a page\n\n" + good, 1, nil},
		{"fine", "# control of nothing\n#broken: no\n# ends\nPASS\n" + good, 1, nil}, // control: no error
	} {
		t.Run(tt.name, func(t *testing.T) {
			recs, errs, err := read(strings.NewReader(tt.file))
			if err != nil {
				t.Error(err)
			}
			if len(recs) != tt.records {
				t.Errorf("got %d records, want %d: %v", len(recs), tt.records, recs)
			}
			if diff := cmp.Diff(tt.errs, errs); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNoResults(t *testing.T) {
	for _, file := range []string{"", "\n\n", "kernel: 6.18\n", "# comment\nBenchmarkZombies\n"} {
		if _, _, err := read(strings.NewReader(file)); !errors.Is(err, ErrNoResults) || err.Error() != "f: no results" {
			t.Errorf("%q: %v", file, err)
		}
	}
	// Of a file without results but with bad lines, these are reported alone.
	if _, errs, err := read(strings.NewReader("BenchmarkZombies 1 1\n")); len(errs) != 1 || err != nil {
		t.Error(errs, err)
	}
	// control: a broken trial is a result line
	if _, _, err := read(strings.NewReader("# broken: why: BenchmarkZombies 5\n")); err != nil {
		t.Error(err)
	}
}

func TestReadFails(t *testing.T) {
	broken := io.MultiReader(strings.NewReader("BenchmarkZombies 5 1 x\n"), iotest.ErrReader(os.ErrDeadlineExceeded))
	recs, _, err := read(broken)
	if !errors.Is(err, os.ErrDeadlineExceeded) || len(recs) != 1 {
		t.Errorf("%v %v", recs, err)
	}
	long := "BenchmarkZombies 5 1 x\n# " + strings.Repeat("x", 1<<18) + "\nBenchmarkZombies 5 1 x\n"
	recs, _, err = read(strings.NewReader(long))
	if err == nil || !strings.Contains(err.Error(), "f:2: ") || len(recs) != 1 {
		t.Errorf("%v %v", recs, err)
	}
}

func TestWriterRefuses(t *testing.T) {
	value := []Value{{UnitKmem, 1}}
	for name, trial := range map[string]Trial{
		"GOMAXPROCS":     {Bench: Zombies, N: 1, Values: value, Params: []Param{{"count", "5"}, {"spawn", "clone-3"}}},
		"bare name":      {Bench: "Zombies-3", N: 1, Values: value},
		"space":          {Bench: Zombies, N: 1, Values: value, Params: []Param{{"spawn", "os exec"}}},
		"newline":        {Bench: Zombies, N: 1, Values: value, Params: []Param{{"spawn", "x\nkernel: y"}}},
		"slash":          {Bench: Zombies, N: 1, Values: value, Params: []Param{{"spawn", "/bin/true"}}},
		"no name":        {N: 1, Values: value},
		"no iterations":  {Bench: Zombies, Values: value},
		"no values":      {Bench: Zombies, N: 1},
		"NaN":            {Bench: Zombies, N: 1, Values: []Value{{UnitKmem, math.NaN()}}},
		"infinite":       {Bench: Zombies, N: 1, Values: []Value{{UnitKmem, math.Inf(1)}}},
		"unit twice":     {Bench: Zombies, N: 1, Values: []Value{{"x", 1}, {"x", 1}}},
		"unit of spaces": {Bench: Zombies, N: 1, Values: []Value{{"k B", 1}}},
		"of a control":   {Bench: Control, Control: true, N: 1, Values: value, Params: []Param{{"of", "Reap"}}},
		"old unit":       {Bench: Zombies, N: 1, Values: []Value{{"foretold-B/1000zombies", 1}}},
		"empty reading":  {Bench: Zombies, N: 1, Values: value, Readings: []Reading{{When: "before"}}},
		"when":           {Bench: Zombies, N: 1, Values: value, Readings: []Reading{{When: "before it", Counters: []Counter{{"pids", 1}}}}},
		"never":          {Bench: Zombies, N: 1, Values: value, Readings: []Reading{{Counters: []Counter{{"pids", 1}}}}},
		"taken":          {Bench: Zombies, N: 1, Values: value, Readings: []Reading{{When: "kernel", Counters: []Counter{{"pids", 1}}}}},
		"counter":        {Bench: Zombies, N: 1, Values: value, Readings: []Reading{{When: "before", Counters: []Counter{{"a=b", 1}}}}},
		"old counter":    {Bench: Zombies, N: 1, Values: value, Readings: []Reading{{When: "before", Counters: []Counter{{"task_struct", 1}}}}},
		"no cache":       {Bench: Zombies, N: 1, Values: value, Readings: []Reading{{When: "before", Caches: []CacheReading{{"", 1, 1}}}}},
		"site":           {Bench: Zombies, N: 1, Values: value, Sites: []CallSite{{Function: "f", Accounted: Yes}}},
		"watcher":        {Bench: Zombies, N: 1, Values: value, Watchers: []Watcher{{Command: "top"}}},
		"unaccounted":    {Bench: Zombies, N: 1, Values: value, Sites: []CallSite{{Function: "f", Caches: []string{"a"}}}},
		"endless":        {Bench: Zombies, N: 1, Values: value, Broken: strings.Repeat("x", maxLine)},
	} {
		var buf bytes.Buffer
		if err := NewWriter(&buf).WriteTrial(trial); err == nil || buf.Len() > 0 {
			t.Errorf("%s: %v, wrote %q", name, err, &buf)
		}
	}
	for _, key := range []string{"", "Kernel", "a key", "key:", "a\nb", "-x"} {
		if err := NewWriter(io.Discard).WriteHeader(Header{Config: []Param{{key, "x"}}}); err == nil {
			t.Errorf("configuration key %q was taken", key)
		}
	}
	for _, h := range []Header{
		{Units: []Unit{{Name: "a b"}}},
		{Units: []Unit{{Name: "a", Meta: "lower"}}},
		{Units: []Unit{{Name: "a", Meta: "better=lower over"}}},
		{Units: []Unit{{Name: "a", Meta: "better=lower\nover=count"}}},
		{Units: []Unit{{Name: "a", Meaning: " "}}},
		{Facts: Facts{About: []Explanation{{"a b", "text"}}}},
		{Facts: Facts{About: []Explanation{{"a", ""}}}},
		{Facts: Facts{Caches: []Cache{{Size: 1}}}},
		{Facts: Facts{Kernel: Kernel{ThreadInfoInTask: "perhaps"}}},
		{Facts: Facts{Kernel: Kernel{Layouts: []Layout{{"pid", nil}}}}},
		{Facts: Facts{Kernel: Kernel{Layouts: []Layout{{"pid", []Member{{"a", 0}}}}}}},
		{Facts: Facts{Kernel: Kernel{Layouts: []Layout{{"pid", []Member{{"a,b", 1}}}}}}},
	} {
		if err := NewWriter(io.Discard).WriteHeader(h); err == nil {
			t.Errorf("header %+v was taken", h)
		}
	}
	// control: names in which digits stand after something else
	for _, last := range []string{"clone3", "5", "a-3b", "exec-"} {
		trial := Trial{Bench: Zombies, N: 1, Values: value, Params: []Param{{"spawn", last}}}
		if err := NewWriter(io.Discard).WriteTrial(trial); err != nil {
			t.Error(err)
		}
	}
}

// countWrites counts Write calls and checks that each is whole lines.
type countWrites struct {
	t testing.TB
	n int
}

func (c *countWrites) Write(p []byte) (int, error) {
	if c.n++; !bytes.HasSuffix(p, []byte("\n")) {
		c.t.Errorf("half a line: %q", p)
	}
	return len(p), nil
}

func TestOneWriteEach(t *testing.T) {
	c := &countWrites{t: t}
	w := NewWriter(c)
	if err := errors.Join(w.WriteHeader(header()), w.WriteTrial(trials()[3]), w.WriteTrial(trials()[2])); err != nil || c.n != 3 {
		t.Errorf("%d writes, %v", c.n, err)
	}
	full := NewWriter(writerFunc(func([]byte) (int, error) { return 0, os.ErrClosed }))
	if err := full.WriteTrial(trials()[0]); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Free text stays free text, whatever it looks like.
func TestNotes(t *testing.T) {
	notes := []string{"before: pids=17", "noisy: x", "cache a: size=1", "kernel: pointer-B=8", "about X: y", "unit x: y", "site f: a=b",
		"control BenchmarkX 1 1 x", "broken: x: BenchmarkX 1", "ends: x", "plain\nkernel: pointer-B=4"}
	h := Header{Comments: notes}
	recs, errs, err := read(bytes.NewReader(write(t, h, []Trial{{Bench: Zombies, N: 5, Values: []Value{{"x", 1}}, Notes: notes}})))
	if errs != nil || err != nil || len(recs) != 1 {
		t.Fatal(recs, errs, err)
	}
	if diff := cmp.Diff(Record{Trial: Trial{Bench: Zombies, N: 5, Values: []Value{{"x", 1}}}, Facts: new(Facts), File: "f", Line: recs[0].Line}, recs[0], cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

// The description of a slab cache stands before the first trial that mentions
// it, and only there.
func TestCachesComeWithTheirTrial(t *testing.T) {
	file := string(write(t, header(), trials()))
	if n := strings.Count(file, "\n# cache "); n != 2 || strings.Contains(file, "nobody") {
		t.Errorf("%d caches in\n%s", n, file)
	}
	at := strings.Index(file, "\n# cache cred: ")
	if trial := strings.Index(file, "# before: "); at < strings.Index(file, "BenchmarkZombies") || at > trial || trial < 0 {
		t.Errorf("caches are at %d, the readings at %d of\n%s", at, trial, file)
	}
}

// Files of older versions are read as what they would be today.
func TestOlderFiles(t *testing.T) {
	recs, errs, err := read(strings.NewReader(`Unit foretold-B/1000zombies better=lower

# before: pids=17 task_struct=83 task_struct-slabs=28
# ends: signals=0 exited=5 killed=0 dumped=0
BenchmarkZombies/count=5 5 9664000 foretold-B/1000zombies
# control BenchmarkControl/of=Reap/method=default/count=500 1 500 zombies-left
# broken: why: BenchmarkControl/of=Reap/method=default/count=500 1
# control BenchmarkControl/parallel=1 1 0 pids
`))
	if errs != nil || err != nil {
		t.Fatal(errs, err)
	}
	reap := []Param{{"method", "default"}, {"count", "500"}}
	want := []Trial{
		{Bench: Zombies, Params: []Param{{"count", "5"}}, N: 5, Values: []Value{{UnitPredicted, 9664000}}, Ends: Ends{Known: true, Exited: 5},
			Readings: []Reading{{When: "before", Counters: []Counter{{"pids", 17}}, Caches: []CacheReading{{"task_struct", 83, 28}}}}},
		{Bench: "Reap", Control: true, Params: reap, N: 1, Values: []Value{{"zombies-left", 500}}},
		{Bench: "Reap", Control: true, Params: reap, N: 1, Broken: "why"},
		{Bench: Control, Control: true, Params: []Param{{"parallel", "1"}}, N: 1, Values: []Value{{"pids", 0}}},
	}
	var got []Trial
	for _, rec := range recs {
		got = append(got, rec.Trial)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	set, _ := Read(strings.NewReader("Unit foretold-B/1000zombies better=lower\nBenchmarkX 1 1 x\n"), "f")
	if set.Units.GetBetter(UnitPredicted) != -1 {
		t.Error("unit metadata is lost")
	}
	if _, errs, _ := read(strings.NewReader("BenchmarkX 1 1 foretold-B 2 predicted-B\n")); len(errs) != 1 || !strings.Contains(errs[0], "predicted-B twice") {
		t.Error(errs)
	}
}

// In a file that is two put together each record has the facts of its part;
// caches are described as they come, and known of all of it.
func TestFactsOfSeveralFiles(t *testing.T) {
	recs, errs, err := read(strings.NewReader(`# kernel: pointer-B=8
# about X/way=long: something
# about X: anything
kernel: 6.18

# unit x: a unit
BenchmarkX 1 1 x

# cache cred: size=192 used=0 per-slab=21 slab-B=4096 reclaimable=0 charged=1 aliases=
BenchmarkX/way=long/n=1 1 1 x
# kernel: pointer-B=4
# about X: nothing
kernel: 6.1
# cache cred: size=128 used=0 per-slab=32 slab-B=4096 reclaimable=0 charged=? aliases=
# cache cred: size=256 used=0 per-slab=32 slab-B=4096 reclaimable=0 charged=0 aliases=
BenchmarkX 1 1 x
kernel: 5.10
BenchmarkX 1 1 x
`))
	if errs != nil || err != nil || len(recs) != 4 {
		t.Fatal(recs, errs, err)
	}
	for i, want := range []string{
		"8 192 yes anything, a unit",
		"8 192 yes something, a unit",
		"4 256 no nothing, ",
		"0 0  , ",
	} {
		f := recs[i].Facts
		c, _ := f.Cache("cred")
		got := fmt.Sprintf("%d %d %s %s, %s", f.Kernel.PointerBytes, c.Size, c.Charged, f.AboutBench(recs[i].Name()), f.MeaningOf("x"))
		if got != want {
			t.Errorf("record %d: %s, want %s", i, got, want)
		}
	}
	f := recs[0].Facts
	if f.AboutBench("Xa") != "" || f.AboutBench("X/way=longer") != "anything" || f.StructBytes("cred") != 0 {
		t.Error("names are taken for others that they begin like")
	}
}

// plain reads the lines that are no comments, by benchfmt: name, iterations and, if
// it is asked for, configuration of each result, and how many errors there are.
func plain(file []byte, configured bool) (results []string, errs int) {
	r := benchfmt.NewReader(bytes.NewReader(file), "f")
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.Result:
			text := fmt.Sprintf("%s %d %d", rec.Name, rec.Iters, len(rec.Values))
			for _, c := range rec.Config {
				if configured {
					text += fmt.Sprintf(" %s=%s", c.Key, c.Value)
				}
			}
			results = append(results, text)
		case *benchfmt.SyntaxError:
			errs++
		}
	}
	return results, errs
}

// Whatever is read can be written and is then read back equal; what benchfmt
// reads from the plain lines is among it.
func FuzzReader(f *testing.F) {
	f.Add(write(f, header(), trials()))
	f.Add([]byte("BenchmarkA-8-9/=x/y/=a=b/-3 1 0 ns/op 1e3 MB/s\r\n# noisy: \n# broken: : Benchmarkx/-1 1"))
	f.Add([]byte("# kernel: pointer-B=8 struct.a%20b=1\n# cache a%3D: size=1 used=2 per-slab=3 slab-B=4 reclaimable=1 charged=? aliases=a,b\n# about X/y: z\n# unit x: y\n" +
		"# a: b=1 cache.c%25=1/2\n# site f: caches=a,b requested=1 allocated=2 accounted=no objects=3\n# control BenchmarkX 1 1 x\n# broken: : control BenchmarkX 1\n# control BenchmarkControl/of=X-8 1 1 foretold-B/y"))
	f.Add([]byte("# ends: signals=1 exited=2 killed=3 dumped=4\n# control BenchmarkControl/p=1 1 -0 x\nkey: v\nkey:\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		recs, syntax, err := read(bytes.NewReader(file))
		// Trials that name their run have its configuration, wherever they stand.
		configured := !bytes.Contains(file, []byte("# trial "))
		theirs, bad := plain(file, configured)
		for _, rec := range recs {
			// A name without GOMAXPROCS, which we keep as a parameter, is theirs.
			if rec.Broken != "" || rec.Control || rec.Param("gomaxprocs") != "" {
				continue
			}
			text := fmt.Sprintf("%s %d %d", rec.Name(), rec.N, len(rec.Values))
			for _, p := range rec.Config {
				if configured {
					text += " " + p.Key + "=" + p.Value
				}
			}
			i := slices.Index(theirs, text)
			if i < 0 {
				t.Fatalf("benchfmt has no %s but %q", text, theirs)
			}
			theirs = theirs[i+1:]
		}
		if err == nil && len(syntax) == 0 && bad > 0 {
			t.Fatalf("benchfmt found %d errors", bad)
		}
		var out bytes.Buffer
		w := NewWriter(&out)
		var want []Trial
		var facts Facts // of the last; earlier ones may contradict it
		for i, rec := range recs {
			if i == 0 || rec.Facts != recs[i-1].Facts { // another run's
				facts = *rec.Facts
				if err := w.WriteHeader(Header{Facts: facts, Units: []Unit{{Name: "x", Meaning: "y"}}}); err != nil {
					t.Fatalf("read %+v but cannot write it: %v", facts, err)
				}
			}
			if err := w.WriteTrial(rec.Trial); err != nil {
				t.Fatalf("read %+v but cannot write it: %v", rec.Trial, err)
			}
			want = append(want, rec.Trial)
		}
		again, errs, _ := read(&out)
		if errs != nil {
			t.Fatal(errs)
		}
		if len(again) > 0 {
			got := again[len(again)-1].Facts
			if fieldsText(got.Kernel.known()) != fieldsText(facts.Kernel.known()) || !slices.Equal(got.About, facts.About) {
				t.Fatalf("facts %+v became %+v", facts, *got)
			}
			for _, c := range got.Caches {
				if was, ok := facts.Cache(c.Name); !ok || formText(&was) != formText(&c) {
					t.Fatalf("cache %+v became %+v", was, c)
				}
			}
		}
		var got []Trial
		for _, rec := range again {
			got = append(got, rec.Trial)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}
