package kernels

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"zombench/bench/labtest"
	"zombench/bench/vm"
	"zombench/bench/vm/debian"
	"zombench/bench/vm/guest"
	"zombench/bench/vm/initramfs"
)

// suites are the packages whose tests are run inside, and tests among them that
// must have passed there and not been skipped.
var suites = []struct {
	pkg   string
	tests []string
}{
	{"bench/cgroup", []string{"TestStart", "TestStartChargesFirstAllocations", "TestFindInACgroupOfOnesOwn", "TestFindAsAUserWithADelegatedCgroup", "TestRemoveHoldingAZombie", "TestSweep", "TestFlush"}},
	{"bench", []string{"TestRunnerOfTwoExperiments", "TestInterruption", "TestReadingsOfATrial"}},
	{"bench/memory", []string{"TestArmyOnThisKernel", "TestControlOnThisKernel", "TestInterruptedTrialLeavesNothing"}},
	{"measure/limits", []string{"TestLivePidsMax", "TestLivePidMax"}},
	{"bench/janitor", []string{"TestRunKilled", "TestJanitorKilled", "TestBothKilled"}},
}

// TestSuiteUnderCgroup2 runs the harness's own tests under cgroup version 2 and
// the newest kernel that is here.
func TestSuiteUnderCgroup2(t *testing.T) {
	k := newestFetched(t)
	bin := t.TempDir()
	static := func(args ...string) { // go build or go test
		cmd := exec.Command("go", slices.Insert(args, 1, "-trimpath", "-ldflags=-s -w")...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+k.GOARCH, "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
	}
	init := filepath.Join(bin, "suite")
	static("build", "-o", init, "./testdata/suite")
	static("build", "-o", filepath.Join(bin, "zombied"), "zombench/cmd/zombied")
	more := []initramfs.File{
		{Path: "/bin/suite", Link: "/init"},
		{Path: "/bin/go", Link: "/init"},
		{Path: "/bin/cat", Link: "/init"},
		{Path: "/bin/sleep", Link: "/init"},
		{Path: "/bin/true", Data: labtest.TrueELF(), Mode: 0o755},
		{Path: "/bin/zombied", Source: filepath.Join(bin, "zombied"), Mode: 0o755},
	}
	args := []string{"/bin/suite"}
	for _, s := range suites {
		dir := "/src/" + s.pkg
		test := filepath.Join(bin, strings.ReplaceAll(s.pkg, "/", "-")+".test")
		static("test", "-c", "-o", test, "zombench/"+s.pkg)
		more = append(more, initramfs.File{Path: dir + "/test", Source: test, Mode: 0o755})
		more = append(more, testdata(t, filepath.Join("../..", s.pkg), dir)...)
		args = append(args, dir)
	}
	files, err := vm.GuestFiles(init, guest.Config{Args: args}, more...)
	if err != nil {
		t.Fatal(err)
	}
	// The tests' output goes to standard error: it comes as it is made, and stays
	// when one hangs.
	var log strings.Builder
	res, err := vm.Boot(t.Context(), vm.Config{Kernel: k, Files: files, Memory: 1024, Timeout: 9 * time.Minute, Stderr: &log})
	out := log.String()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	passed := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^--- (PASS|FAIL|SKIP): (\w+)`).FindAllStringSubmatch(out, -1) {
		passed[m[2]] = m[1] == "PASS"
	}
	for _, s := range suites {
		for _, test := range s.tests {
			if !passed[test] {
				t.Errorf("%s: %s did not pass under %s", s.pkg, test, k.Name)
			}
		}
	}
	if t.Failed() {
		t.Log(out)
	}
	t.Logf("%d tests passed under %s in %v", strings.Count(out, "\n--- PASS"), k.Name, res.Elapsed.Round(time.Second))
}

// newestFetched returns the newest amd64 kernel that was fetched, or skips the
// test.
func newestFetched(t *testing.T) vm.Kernel {
	t.Helper()
	if testing.Short() {
		t.Skip("booting takes seconds")
	}
	arch, err := vm.LookupArch("amd64")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := arch.LookQEMU(); err != nil {
		t.Skip(err)
	}
	dir, err := CacheDir()
	if err != nil {
		t.Skip(err)
	}
	cached, err := debian.Cached(dir)
	if err != nil {
		t.Fatal(err)
	}
	newest, err := debian.Select(offersOf(cached), []string{"amd64-newest"})
	if err != nil {
		t.Skip("no amd64 kernel in the cache; zombench kernels fetch amd64-newest brings one")
	}
	return cached[slices.IndexFunc(cached, func(k vm.Kernel) bool { return k.Name == newest[0].Name })]
}

// testdata returns the files of a package's testdata, to lie in dir.
func testdata(t *testing.T, pkg, dir string) []initramfs.File {
	t.Helper()
	var files []initramfs.File
	err := filepath.WalkDir(filepath.Join(pkg, "testdata"), func(path string, d os.DirEntry, err error) error {
		switch {
		case os.IsNotExist(err):
			return nil
		case err != nil || d.IsDir():
			return err
		}
		rel, err := filepath.Rel(pkg, path)
		if err != nil {
			return err
		}
		f := initramfs.File{Path: filepath.Join(dir, rel), Source: path}
		if d.Type()&os.ModeSymlink != 0 {
			f.Source = ""
			f.Link, err = os.Readlink(path)
		}
		files = append(files, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
