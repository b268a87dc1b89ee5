package results

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

// golden compares with a file in testdata; on a mismatch what was got lies
// beside it.
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
		if err := os.WriteFile(strings.TrimSuffix(path, ".golden")+".got", got, 0o666); err != nil {
			t.Error(err)
		}
	}
}

// A lab makes synthetic trials: numbers of the size that 6.18 shows, from a
// seed, not measured anywhere. They are for the shape of reports alone.
type lab struct {
	config           []Param
	spawn            string
	counts, parallel []int
	samples          int
	kmem, slab       float64 // bytes a zombie; 0: no such instrument
	noise            float64 // bytes, of slab
	noEnds           bool
	noControls       bool
	change           func(i int, t *Trial)
}

func config618() []Param { return header().Config }

func (l lab) file(t testing.TB) []byte {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	var all []Trial
	i := 0
	for range l.samples {
		for _, count := range l.counts {
			for _, parallel := range l.parallel {
				n := float64(count)
				trial := Trial{Bench: Zombies, N: count, Params: []Param{
					{"count", fmt.Sprint(count)}, {"parallel", fmt.Sprint(parallel)}, {"spawn", l.spawn}}}
				if l.kmem > 0 {
					v := l.kmem + float64(rnd.IntN(9)-4)
					trial.Values = append(trial.Values, Value{UnitKmem, v * 1000})
				}
				if l.slab != 0 {
					trial.Values = append(trial.Values,
						Value{UnitSlab, (l.slab*n + math.Round(10*l.noise*rnd.NormFloat64()/4096)*4096 - 1e6) / n * 1000},
						Value{UnitSUnreclaim, (l.slab*n + math.Round(l.noise*rnd.NormFloat64()/4096)*4096 - 4e5) / n * 1000})
				}
				trial.Values = append(trial.Values, Value{UnitPids, 1}, Value{UnitTime, 450000 + math.Round(1e4*rnd.NormFloat64())})
				if !l.noEnds {
					trial.Ends = Ends{Known: true, Exited: uint64(count)}
				}
				if l.change != nil {
					l.change(i, &trial)
				}
				all = append(all, trial)
				i++
			}
		}
		if !l.noControls {
			control := Trial{Bench: Control, Control: true, N: 1, Params: []Param{{"parallel", "1"}, {"spawn", l.spawn}}}
			if l.kmem > 0 {
				control.Values = append(control.Values, Value{"kmem-B", 0})
			}
			if l.slab != 0 {
				control.Values = append(control.Values, Value{"slab-B", math.Round(10*l.noise*rnd.NormFloat64()/4096) * 4096},
					Value{"sunreclaim-B", math.Round(l.noise*rnd.NormFloat64()/4096) * 4096})
			}
			control.Values = append(control.Values, Value{"pids", 0})
			all = append(all, control)
		}
	}
	h := header()
	h.Config = l.config
	return write(t, h, all)
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
	arm.config = []Param{{"kernel", "6.1.0"}, {"goos", "linux"}, {"goarch", "arm64"}, {"page-size", "65536"}, {"cgroup", "v2"}, {"vm", "qemu-tcg"}}
	arm.kmem, arm.slab = 8704, 11000
	hostile := usual
	hostile.config = []Param{{"kernel", "6.18|<script>alert(1)</script>`x`"}, {"goos", "linux"}, {"goarch", "a\x1b[31md64"}}
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
			l.change = func(i int, t *Trial) {
				switch i {
				case 0:
					t.Broken = "pids grew by 501 instead of 500"
				case 7, 8:
					t.Broken, t.Values = "the daemon died", nil
				case 12:
					t.Warnings = []string{"something forked meanwhile", "never settled"}
				case 19:
					t.Ends = Ends{Known: true, Signals: 4, Exited: uint64(t.N) - 4, Killed: 3, Dumped: 1}
				case 20:
					t.Ends = Ends{}
				}
			}
		}),
		"broken": with(func(l *lab) {
			l.counts = []int{500}
			l.change = func(i int, t *Trial) { t.Broken = "pids grew by 501 instead of 500" }
		}),
		"hostile": {hostile},
		// earlier activity left room in slabs for most of the army
		"hidden": with(func(l *lab) { l.slab = 3011 }),
	}
}

func loadLabs(t testing.TB, all []lab) *Set {
	t.Helper()
	var l loader
	for i, lab := range all {
		l.load(bytes.NewReader(lab.file(t)), fmt.Sprintf("file%d", i))
	}
	set, errs := l.done()
	if errs != nil {
		t.Fatal(errs)
	}
	return set
}

func report(t testing.TB, set *Set, q Query) Report {
	t.Helper()
	r, err := set.Report(q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var drawing = regexp.MustCompile(`(?s)<svg.*?</svg>`)

func TestReport(t *testing.T) {
	for name, all := range labs() {
		formats := []Format{Text, Markdown, CSV}
		if name == "few" || name == "hostile" {
			formats = Formats()
		}
		for _, format := range formats {
			t.Run(name+"/"+string(format), func(t *testing.T) {
				var b bytes.Buffer
				if err := report(t, loadLabs(t, all), Query{}).Write(&b, format); err != nil {
					t.Fatal(err)
				}
				// Figures have tests of their own, and long paths.
				golden(t, name+"."+string(format), drawing.ReplaceAll(b.Bytes(), []byte("<svg/>")))
			})
		}
	}
}
