package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"zombench/results"
	"zombench/results/recorded"
)

// nodeConfig is a configuration as another node has it, whose name comes first.
func nodeConfig(config []results.Param, name string) []results.Param {
	others := slices.DeleteFunc(slices.Clone(config), func(p results.Param) bool { return p.Key == "node" })
	return slices.Insert(others, 0, results.Param{Key: "node", Value: name})
}

// fleetFile streams what a fleet would have written, one run of 60 trials on each
// node: a recorded run, over and over. change may change a node's run.
func fleetFile(t testing.TB, nodes int, change func(node int, h *results.Header, trials []results.Trial) []results.Trial) io.Reader {
	t.Helper()
	set, err := recorded.Load()
	if err != nil {
		t.Fatal(err)
	}
	var template []results.Record
	for _, r := range set.Records {
		if r.File == "amd64-6.18.44-fc-v669.txt" && len(template) < 60 {
			template = append(template, r)
		}
	}
	from, to := io.Pipe()
	t.Cleanup(func() { from.Close() })
	go func() {
		to.CloseWithError(func() error {
			for node := range nodes {
				h := results.Header{Config: nodeConfig(template[0].Config, nodeName(node)), Units: results.Units(), Facts: *template[0].Facts}
				h.Run = results.Run{ID: fmt.Sprintf("R%d", node), Trials: uint64(len(template))}
				var trials []results.Trial
				for i, r := range template {
					r.Serial = results.Serial{Run: h.Run.ID, Number: uint64(i) + 1}
					r.Values = append([]results.Value(nil), r.Values...)
					trials = append(trials, r.Trial)
				}
				if change != nil {
					trials = change(node, &h, trials)
				}
				var buf bytes.Buffer
				w := results.NewWriter(&buf)
				if err := w.WriteHeader(h); err != nil {
					return err
				}
				for _, trial := range trials {
					if err := w.WriteTrial(trial); err != nil {
						return err
					}
				}
				if _, err := to.Write(buf.Bytes()); err != nil {
					return err
				}
			}
			return nil
		}())
	}()
	return from
}

func nodeName(i int) string { return fmt.Sprintf("n%05d", i+1) }

// A fleet of 10 000 nodes:
//
//	go test ./results/report -run '^$' -bench Fleet -benchtime 1x -timeout 5m
func BenchmarkFleet(b *testing.B) {
	for b.Loop() {
		path := filepath.Join(b.TempDir(), "fleet.txt")
		f, err := os.Create(path)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(f, fleetFile(b, 10000, nil))
		if err = errors.Join(err, f.Close()); err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		start := time.Now()
		set, errs := results.LoadValues(path)
		if len(errs) > 0 {
			b.Fatal(errs)
		}
		read := time.Since(start)
		r, err := New(set, Query{})
		if err != nil {
			b.Fatal(err)
		}
		if err := r.Doc().Write(io.Discard, Text); err != nil {
			b.Fatal(err)
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.Logf("%d MB, %d trials read in %v, reported in %v; heap %d MB, from the system %d MB", n>>20, len(set.Records), read, time.Since(start), m.HeapAlloc>>20, m.Sys>>20)
	}
}

// Of a fleet those that are alike are one line, the others have names, and nothing
// of what was mixed up on the way is averaged.
func TestFleet(t *testing.T) {
	file := fleetFile(t, 12, func(node int, h *results.Header, trials []results.Trial) []results.Trial {
		kmem := func(factor float64) {
			for _, trial := range trials {
				for i, v := range trial.Values {
					if v.Unit == results.UnitKmem {
						trial.Values[i].Value *= factor
					}
				}
			}
		}
		switch node {
		case 3: // another model of CPU
			kmem(1.0066)
		case 5:
			h.Config[0].Value = nodeName(4) // the one before, once more
		case 7:
			return trials[:20]
		case 9:
			for i := range trials {
				trials[i].Broken = "something else ran"
			}
		case 11:
			h.Run.ID = "R10"
		}
		return trials
	})
	set, errs := results.Read(file, "fleet")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for name, q := range map[string]Query{
		"fleet":      {},
		"fleet-cols": {Row: "/count@num", Col: "node", Ignore: "/parallel", Units: []string{"kmem-B"}},
		"fleet-rows": {Row: "node", Col: "kernel", Ignore: "/parallel,/count", Units: []string{"kmem-B"}},
	} {
		r, err := New(set, q)
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := r.Doc().Write(&text, Text); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".text", text.Bytes())
	}
}

// Of other kernels a node measures several, each once.
func TestFleetOfKernels(t *testing.T) {
	set, errs := results.Read(fleetFile(t, 6, func(i int, h *results.Header, trials []results.Trial) []results.Trial {
		h.Config[0].Value = nodeName(i / 2)
		for j, p := range h.Config {
			if p.Key == "kernel" && i%2 == 1 {
				h.Config[j].Value = "6.1.0-56-amd64"
			}
		}
		return trials
	}), "fleet")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	r, err := New(set, Query{})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := r.Doc().Write(&text, Text); err != nil {
		t.Fatal(err)
	}
	if bytes.Count(text.Bytes(), []byte("3 nodes with Linux 6.")) != 2 || bytes.Contains(text.Bytes(), []byte("more than once")) || bytes.Contains(text.Bytes(), []byte("run 2")) {
		t.Errorf("want two fleets of three nodes, each measured once:\n%s", text.Bytes())
	}
}
