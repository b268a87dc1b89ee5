package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zombench/results"
)

func TestWriteReportFails(t *testing.T) {
	r := report(t, loadLabs(t, labs()["usual"]), Query{})
	if err := r.Doc().Write(writerFunc(func([]byte) (int, error) { return 0, os.ErrClosed }), Text); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if err := r.Doc().Write(io.Discard, "bmp"); err == nil {
		t.Error("bmp")
	}
}

// Hostile text stays text: no cell or line more, no HTML, no terminal orders.
func TestHostile(t *testing.T) {
	set := loadLabs(t, labs()["hostile"])
	for _, f := range Formats() {
		text := render(t, report(t, set, Query{}).Doc(), f)
		if f != CSV && strings.Contains(text, "\x1b") || f == Markdown && strings.Contains(text, "<") {
			t.Errorf("%s: %s", f, text)
		}
	}
}

// Whatever a file holds, a report can be had of it.
func FuzzReport(f *testing.F) {
	for _, all := range labs() {
		f.Add(all[0].file(f))
	}
	f.Add([]byte("key: \xff\nBenchmarkZombies/\"a\\=@(b c)/x/:y=-/(=z 5 1e308 a-B/1000zombies -1e308 MB/zombie\nBenchmarkZombies/count=a 7 -1e308 a-B/1000zombies\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		set, _ := results.Read(bytes.NewReader(file), "f")
		r := report(t, set, Query{})
		doc := r.Doc()
		for _, format := range Formats() {
			if err := doc.Write(io.Discard, format); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.WriteOpenMetrics(io.Discard, time.Unix(0, 0)); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkReport(b *testing.B) {
	l := labs()["usual"][0]
	file := l.file(b)
	for b.Loop() {
		set, _ := results.Read(bytes.NewReader(file), "f")
		if err := report(b, set, Query{}).Doc().Write(io.Discard, Text); err != nil {
			b.Fatal(err)
		}
	}
}

// Every file that can be read can be compared as well.
func FuzzCompare(f *testing.F) {
	f.Add([]byte("kernel: 6\nBenchmarkZombies/count=5/parallel=1 5 1 a-B/1000zombies\nBenchmarkZombies/count=5/parallel=2 5 2 a-B/1000zombies\n"), "parallel", "count@(5 6)")
	f.Add([]byte("Benchmark\"a/x=1/:y 5 1 a\nBenchmarkZombies/\"a\\=@(b c)/x/:y=-/(=z 5 1e308 a-B/1000zombies\nkey: @(\nBenchmarkZombies/count=a 7 -1e308 a-B/1000zombies\n"), ".file", "key,x")
	f.Fuzz(func(t *testing.T, file []byte, col, row string) {
		set, _ := results.Read(bytes.NewReader(file), "f")
		r, err := New(set, Query{Col: col, Row: row})
		if err != nil {
			return
		}
		for _, format := range []Format{Text, Markdown, CSV, JSON, LaTeX} {
			if err := r.Doc().Write(io.Discard, format); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// BenchmarkManyFiles reports 1000 files with 100 000 trials: nine kernels, or a
// single one, whose slopes are over all of them. What counts is the time, and
// the memory that the process takes meanwhile, whole-B.
func BenchmarkManyFiles(b *testing.B) {
	for _, kernels := range []int{9, 1} {
		for _, q := range []Query{{}, {Col: "kernel"}} {
			b.Run(fmt.Sprintf("kernels=%d/compares=%v", kernels, q.compares()), func(b *testing.B) {
				var files []string
				dir := b.TempDir()
				l := labs()["usual"][0]
				l.samples, l.counts, l.parallel = 10, []int{500, 1000, 2000, 4000, 8000}, []int{1, 50}
				for i := range 1000 {
					l.config = append([]results.Param{{Key: "kernel", Value: fmt.Sprintf("6.%d.0", i%kernels)}}, l.config[1:]...)
					path := filepath.Join(dir, fmt.Sprint(i))
					if err := os.WriteFile(path, l.file(b), 0o666); err != nil {
						b.Fatal(err)
					}
					files = append(files, path)
				}
				for b.Loop() {
					set, errs := results.Load(files...)
					if errs != nil {
						b.Fatal(errs)
					}
					if n := len(set.Records); n < 100_000 {
						b.Fatalf("%d trials", n)
					}
					if err := report(b, set, q).Doc().Write(io.Discard, Text); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
