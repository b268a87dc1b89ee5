package tempdir

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"zombench/bench/labtest/machine"
	"zombench/bench/reexec"
)

// owner is a process that makes a directory, fills it, says where it is and waits
// to be killed.
var owner = reexec.Program{Name: "zombench-test-owner", Main: func([]string) int {
	dir, err := Make("zombench-test-")
	if err != nil || os.WriteFile(filepath.Join(dir.Path, "file"), nil, 0o600) != nil {
		return 1
	}
	os.Stdout.WriteString(dir.Path)
	os.Stdout.Close()
	select {}
}}

func TestMain(m *testing.M) {
	reexec.Dispatch(Program(), owner)
	os.Exit(machine.Run(m))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func TestClose(t *testing.T) {
	for _, kill := range []bool{false, true} {
		dir, err := Make("zombench-test-")
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(dir.Path); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%v, %v", info, err)
		}
		if kill {
			_ = dir.guard.Process.Kill()
		}
		if err := dir.Close(); err != nil || exists(dir.Path) {
			t.Errorf("guard killed: %v: it is left; %v", kill, err)
		}
	}
}

// The directory of a process that is killed goes.
func TestKilled(t *testing.T) {
	cmd := reexec.Command(owner.Name)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	path, err := io.ReadAll(out)
	if err != nil || !exists(string(path)) {
		t.Fatalf("no directory %q, %v", path, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	// The guard has come to us, a subreaper: its end is the directory's.
	for {
		if _, err := unix.Wait4(-1, nil, 0, nil); err != unix.EINTR {
			break
		}
	}
	if exists(string(path)) {
		t.Errorf("%s is left", path)
	}
}
