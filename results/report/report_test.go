package report

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"zombench/results"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

// golden compares with a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}

// A lab makes synthetic trials: numbers of the size that 6.18 shows, from a
// seed, not measured anywhere. They are for the shape of reports alone.
type lab struct {
	config           []results.Param
	spawn            string
	counts, parallel []int
	samples          int
	kmem, slab       float64 // bytes a zombie; 0: no such instrument
	noise            float64 // bytes, of slab
	noEnds           bool
	noControls       bool
	change           func(i int, t *results.Trial)
}

func config618() []results.Param {
	return []results.Param{{Key: "kernel", Value: "6.18.44"}, {Key: "goos", Value: "linux"}, {Key: "goarch", Value: "amd64"},
		{Key: "cpu", Value: "Some CPU @ 2.00GHz"}, {Key: "page-size", Value: "4096"}, {Key: "cgroup", Value: "v1"}, {Key: "vm", Value: ""}}
}

func (l lab) file(t testing.TB) []byte {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	var all []results.Trial
	i := 0
	for range l.samples {
		for _, count := range l.counts {
			for _, parallel := range l.parallel {
				n := float64(count)
				trial := results.Trial{Bench: results.Zombies, N: count, Params: []results.Param{
					{Key: "count", Value: fmt.Sprint(count)}, {Key: "parallel", Value: fmt.Sprint(parallel)}, {Key: "spawn", Value: l.spawn}}}
				if l.kmem > 0 {
					v := l.kmem + float64(rnd.IntN(9)-4)
					trial.Values = append(trial.Values, results.Value{Unit: results.UnitKmem, Value: v * 1000})
				}
				if l.slab != 0 {
					trial.Values = append(trial.Values,
						results.Value{Unit: results.UnitSlab, Value: (l.slab*n + math.Round(10*l.noise*rnd.NormFloat64()/4096)*4096 - 1e6) / n * 1000},
						results.Value{Unit: results.UnitSUnreclaim, Value: (l.slab*n + math.Round(l.noise*rnd.NormFloat64()/4096)*4096 - 4e5) / n * 1000})
				}
				trial.Values = append(trial.Values, results.Value{Unit: results.UnitPids, Value: 1}, results.Value{Unit: results.UnitTime, Value: 450000 + math.Round(1e4*rnd.NormFloat64())})
				if !l.noEnds {
					trial.Ends = results.Ends{Known: true, Exited: uint64(count)}
				}
				if l.change != nil {
					l.change(i, &trial)
				}
				all = append(all, trial)
				i++
			}
		}
		if !l.noControls {
			control := results.Trial{Bench: results.Control, Control: true, N: 1, Params: []results.Param{{Key: "parallel", Value: "1"}, {Key: "spawn", Value: l.spawn}}}
			if l.kmem > 0 {
				control.Values = append(control.Values, results.Value{Unit: "kmem-B", Value: 0})
			}
			if l.slab != 0 {
				control.Values = append(control.Values, results.Value{Unit: "slab-B", Value: math.Round(10*l.noise*rnd.NormFloat64()/4096) * 4096},
					results.Value{Unit: "sunreclaim-B", Value: math.Round(l.noise*rnd.NormFloat64()/4096) * 4096})
			}
			control.Values = append(control.Values, results.Value{Unit: "pids", Value: 0})
			all = append(all, control)
		}
	}
	var units []results.Unit // without meanings: those have a test of their own
	for _, u := range results.Units() {
		units = append(units, results.Unit{Name: u.Name, Meta: u.Meta})
	}
	return write(t, results.Header{Config: l.config, Units: units}, all)
}

// write writes a file or fails the test.
func write(t testing.TB, h results.Header, trials []results.Trial) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := results.NewWriter(&buf)
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

func labs() map[string][]lab {
	usual := lab{config: config618(), spawn: "exec", counts: []int{500, 1000, 2000}, parallel: []int{1, 50},
		samples: 10, kmem: 9600, slab: 10400, noise: 1e4}
	with := func(f func(*lab)) []lab {
		l := usual
		f(&l)
		return []lab{l}
	}
	osExec := usual
	osExec.spawn, osExec.kmem, osExec.slab = "os-exec", 10750, 12900
	arm := usual
	arm.config = []results.Param{{Key: "kernel", Value: "6.1.0"}, {Key: "goos", Value: "linux"}, {Key: "goarch", Value: "arm64"}, {Key: "page-size", Value: "65536"}, {Key: "cgroup", Value: "v2"}, {Key: "vm", Value: "qemu-tcg"}}
	arm.kmem, arm.slab = 8704, 11000
	hostile := usual
	hostile.config = []results.Param{{Key: "kernel", Value: "6.18|<script>alert(1)</script>`x`"}, {Key: "goos", Value: "linux"}, {Key: "goarch", Value: "a\x1b[31md64"}}
	hostile.spawn, hostile.counts, hostile.parallel = "=<b>|**x**", []int{500}, []int{1}
	return map[string][]lab{
		"usual":     {usual},
		"two":       {usual, arm, osExec},
		"one-count": with(func(l *lab) { l.counts = []int{1000} }),
		"few":       with(func(l *lab) { l.counts, l.samples = []int{1000, 2000}, 1 }),
		"no-cgroup": with(func(l *lab) { l.kmem, l.noEnds = 0, true }),
		"no-slab":   with(func(l *lab) { l.slab, l.noControls = 0, true }),
		"nothing":   with(func(l *lab) { l.slab, l.kmem = 0, 0 }),
		"noise":     with(func(l *lab) { l.kmem, l.slab, l.noise = 0, 40, 1e6 }),
		"flags": with(func(l *lab) {
			l.change = func(i int, t *results.Trial) {
				switch i {
				case 0:
					t.Broken = "pids grew by 501 instead of 500"
				case 7, 8:
					t.Broken, t.Values = "the daemon died", nil
				case 12:
					t.Warnings = []string{"something forked meanwhile", "never settled"}
				case 19:
					t.Ends = results.Ends{Known: true, Signals: 4, Exited: uint64(t.N) - 4, Killed: 3, Dumped: 1}
				case 20:
					t.Ends = results.Ends{}
				}
			}
		}),
		"broken": with(func(l *lab) {
			l.counts = []int{500}
			l.change = func(i int, t *results.Trial) { t.Broken = "pids grew by 501 instead of 500" }
		}),
		"hostile": {hostile},
		// earlier activity left room in slabs for most of the army
		"hidden": with(func(l *lab) { l.slab = 3011 }),
	}
}

func loadLabs(t testing.TB, all []lab) *results.Set {
	t.Helper()
	files := make(map[string][]byte)
	for i, lab := range all {
		files[fmt.Sprintf("file%d", i)] = lab.file(t)
	}
	return load(t, files)
}

// load reads files in the order of their names.
func load(t testing.TB, files map[string][]byte) *results.Set {
	t.Helper()
	fsys := make(fstest.MapFS)
	for name, data := range files {
		fsys[name] = &fstest.MapFile{Data: data}
	}
	set, errs := results.ReadFS(fsys, "*")
	if errs != nil {
		t.Fatal(errs)
	}
	return set
}

func report(t testing.TB, set *results.Set, q Query) *Report {
	t.Helper()
	r, err := New(set, q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// render writes a document or fails the test.
func render(t testing.TB, d Doc, f Format) string {
	t.Helper()
	var b bytes.Buffer
	if err := d.Write(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var drawing = regexp.MustCompile(`(?s)<svg.*?</svg>\n</svg>`)

func TestReport(t *testing.T) {
	for name, all := range labs() {
		formats := []Format{Text, Markdown, CSV}
		if name == "few" || name == "hostile" {
			formats = Formats()
		}
		for _, format := range formats {
			t.Run(name+"/"+string(format), func(t *testing.T) {
				got := render(t, report(t, loadLabs(t, all), Query{}).Doc(), format)
				// Figures have tests of their own, and long paths.
				golden(t, name+"."+string(format), drawing.ReplaceAll([]byte(got), []byte("<svg/>")))
			})
		}
	}
}
