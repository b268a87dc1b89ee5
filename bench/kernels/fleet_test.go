package kernels

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zombench/bench/vm"
)

func TestFields(t *testing.T) {
	for _, tt := range []struct {
		release, count, want string
	}{
		{"5.10.0-30-amd64", "", "2000,4000,8000"},
		{"6.1.0-56-amd64", "", "250,500,1000"},
		{"", "", "250,500,1000"},
		{"5.10.0-30-amd64", "7", "7"},
	} {
		f := Fleet{Fields: map[string]string{"count": tt.count, "parallel": "1"}}
		got := f.fields(vm.Kernel{Release: tt.release})
		if got["count"] != tt.want || got["parallel"] != "1" {
			t.Errorf("%q with count=%q: %v, want count=%s", tt.release, tt.count, got, tt.want)
		}
		if f.Fields["count"] != tt.count {
			t.Errorf("one kernel's fields became those of the fleet: %v", f.Fields)
		}
	}
	if got := (&Fleet{Experiment: "dress", Fields: map[string]string{"count": "9"}}).fields(vm.Kernel{}); len(got) != 1 || got["count"] != "9" {
		t.Errorf("fields of another experiment: %v", got)
	}
	if got := (&Fleet{}).fields(vm.Kernel{}); got["count"] == "" {
		t.Errorf("without fields: %v", got)
	}
}

const resultFile = `# zombench
kernel: 6.1

BenchmarkZombies/count=1/parallel=1/spawn=clone 1 9600 kmem-B/1000zombies
# broken: pids: BenchmarkZombies/count=1/parallel=1/spawn=clone 1
`

// TestKeep goes through the ways in which a guest can end.
func TestKeep(t *testing.T) {
	broke := errors.New("the machine went down")
	for _, tt := range []struct {
		name, sent string
		bootErr    error
		file       string // "" if none may be left
		note       string
		wants      string // in the error
	}{
		{"whole", resultFile, nil, "k.txt", ", 1 trials broken", ""},
		{"partial", resultFile, broke, "k.partial.txt", ", failed", "the machine went down; 2 trials before that are in "},
		{"nothing", "", broke, "", ", failed", "the machine went down"},
		{"no trial", "# zombench\n", broke, "", ", failed", "the machine went down"},
		{"rubbish", "Benchmark\n", nil, "", ", failed", "no result file"},
		{"empty", "", nil, "", ", failed", "no result file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := fleetRun{Fleet: &Fleet{Dir: t.TempDir()}}
			note, err := r.keep("k", []byte(tt.sent), tt.bootErr)
			if note != tt.note {
				t.Errorf("note %q, want %q", note, tt.note)
			}
			if (err == nil) != (tt.wants == "") || err != nil && !strings.Contains(err.Error(), tt.wants) {
				t.Errorf("error %v, want %q", err, tt.wants)
			}
			files, _ := filepath.Glob(r.Dir + "/*")
			hidden, _ := filepath.Glob(r.Dir + "/.*")
			if got := append(files, hidden...); strings.Join(got, " ") != strings.Join(r.files, " ") || len(got) > 1 {
				t.Errorf("%v are there, and %v are known", got, r.files)
			}
			if tt.file == "" {
				if len(files) > 0 {
					t.Errorf("%v are left", files)
				}
				return
			}
			if got, err := os.ReadFile(filepath.Join(r.Dir, tt.file)); err != nil || string(got) != tt.sent {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}
