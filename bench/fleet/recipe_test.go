package fleet

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

func TestRecipes(t *testing.T) {
	for _, engine := range Engines {
		for _, kind := range Kinds[engine] {
			got, err := Recipe(engine, Job{
				Command: "zombench fleet " + engine + " " + kind, Kind: kind,
				Args: []string{"--label", "zone=a b's"}, Image: "registry.example/zombench:1", Shards: 8, Room: 10000,
			})
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", engine+"-"+kind+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-update writes it anew): %s", path, diff)
			}
			if engine == "slurm" || engine == "clush" {
				if out, err := exec.Command("bash", "-n", path).CombinedOutput(); err != nil {
					t.Errorf("%s: %v: %s", path, err, out)
				}
			}
		}
	}
}

func TestNoRecipe(t *testing.T) {
	for _, test := range []struct {
		engine string
		Job
	}{
		{"nomad", Job{Kind: Run}},
		{"clush", Job{Kind: Watch}},
		{"slurm", Job{Kind: "measure"}},
		{"slurm", Job{Kind: Kernels}},
	} {
		if text, err := Recipe(test.engine, test.Job); err == nil {
			t.Errorf("%+v: %s", test, text)
		}
	}
}

// What is passed on reaches zombench as it was given.
func TestQuote(t *testing.T) {
	args := []string{"a b", "", "it's", `"$HOME"`, "plain=1", "*"}
	out, err := exec.Command("bash", "-c", `printf '%s\n' `+line(args)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("a b\n\nit's\n\"$HOME\"\nplain=1\n*\n", string(out)); diff != "" {
		t.Error(diff)
	}
}
