package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"zombench/bench/labtest"
	"zombench/measure"
	"zombench/measure/measuretest"
	"zombench/measure/procs"
	"zombench/results/report"
	"zombench/results/report/host"
)

func askPs(t *testing.T, kernel measure.FS, format report.Format) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if err := ps(&out, &errs, kernel, procs.ByProc(kernel), nil, psOptions{format: format}); err != nil {
		t.Fatal(err)
	}
	return out.String(), errs.String()
}

func TestPsGolden(t *testing.T) {
	testdata, err := filepath.Abs("testdata/ps")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []report.Format{report.Text, report.JSON} {
		t.Run(string(format), func(t *testing.T) {
			kernel := machine(t, measuretest.Village(), nil)
			resultFile(t, filepath.Join(host.LocalResults, "1.2.3-test.txt"), "1.2.3-test", runtime.GOARCH, "exec", 10350, 9600)
			stdout, stderr := askPs(t, kernel, format)
			if stderr != "" {
				t.Error(stderr)
			}
			labtest.Golden(t, filepath.Join(testdata, "village."+string(format)+".golden"), []byte(strings.ReplaceAll(stdout, "1.2.3-test/"+runtime.GOARCH, "1.2.3-test/GOARCH")))
		})
	}
	t.Run("nobody", func(t *testing.T) {
		stdout, _ := askPs(t, machine(t, nil, nil), "text")
		labtest.Golden(t, filepath.Join(testdata, "nobody.text"+".golden"), []byte(stdout))
	})
}

// What JSON says can be read back, and says what the text does.
func TestPsForPrograms(t *testing.T) {
	out, _ := askPs(t, machine(t, measuretest.Village(), nil), "json")
	var a host.Zombies
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		t.Fatal(err)
	}
	if a.Zombies != 53 || len(a.Parents) != 9 || a.LeaderEnded != 1 || a.Zombie.Measured || a.Parents[0].Bytes != 30*a.Zombie.Pages {
		t.Errorf("%+v", a)
	}
}

// Without the processes of others (hidepid) the answer says so.
func TestPsHidden(t *testing.T) {
	hidden := map[string]string{"proc/1/stat": "absent", "proc/1/status": "absent", "proc/1/cmdline": "absent", "proc/1/comm": "absent", "proc/1/cgroup": "absent"}
	if _, stderr := askPs(t, machine(t, nil, hidden), "text"); !strings.Contains(stderr, "hidepid") {
		t.Errorf("stderr %q", stderr)
	}
	if _, stderr := askPs(t, machine(t, nil, nil), "text"); stderr != "" {
		t.Errorf("stderr %q", stderr)
	}
}
