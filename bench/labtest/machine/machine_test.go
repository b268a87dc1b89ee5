package machine

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary also plays a package whose test leaves something.
func TestMain(m *testing.M) {
	if what, ok := os.LookupEnv("ZOMBENCH_TEST_LEAVE"); ok {
		os.Exit(Run(leaves(what)))
	}
	os.Exit(Run(m))
}

// leaves are tests that pass and run a shell command, which they do not wait for
// once it has printed a line.
type leaves string

func (l leaves) Run() int {
	cmd := exec.Command("sh", "-c", string(l))
	cmd.ExtraFiles = []*os.File{os.Stdout} // which is ours as long as anybody is there
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		_, err = out.Read(make([]byte, 1))
	}
	if err != nil {
		return 3
	}
	if l == nothing {
		_ = cmd.Wait()
	}
	return 0
}

const nothing = "echo"

// Whatever tests leave is told, makes them fail, and is gone with them.
func TestRunTellsWhatIsLeft(t *testing.T) {
	for what, left := range map[string]int{
		nothing:                              0,
		"echo; exec true":                    1,
		"echo; exec sleep 1000":              1,
		"sleep 1000 & echo; exec sleep 1000": 2, // the shell, and the grandchild, which comes to us then
	} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), "ZOMBENCH_TEST_LEAVE="+what)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdout = w
		err = cmd.Run()
		w.Close()
		if said := strings.Count(stderr.String(), "are left"); (err != nil) != (left > 0) || said < left {
			t.Errorf("%q: %v, %s", what, err, stderr.String())
		}
		// The end of the pipe comes when nobody is left to write to it.
		_ = r.SetReadDeadline(time.Now().Add(30 * time.Second))
		buf := make([]byte, 16)
		for err = nil; err == nil; {
			_, err = r.Read(buf)
		}
		if err.Error() != "EOF" {
			t.Errorf("%q: somebody is still there: %v", what, err)
		}
		r.Close()
	}
}

// free reports whether others could take the lock.
func free(t *testing.T, how int) bool {
	t.Helper()
	f, err := os.Open(filepath.Join(os.TempDir(), filepath.Base(held.file.Name())))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), how|unix.LOCK_NB) == nil
}

func TestLock(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()) // a lock of this test's own
	t.Run("shared", func(t *testing.T) {
		Shared(t)
		if !free(t, unix.LOCK_SH) || free(t, unix.LOCK_EX) {
			t.Error("what is shared keeps out others that share, or lets in those that do not")
		}
		t.Run("exclusive within", func(t *testing.T) {
			Exclusive(t)
			if free(t, unix.LOCK_SH) {
				t.Error("what is exclusive is shared")
			}
		})
	})
	t.Run("twice", func(t *testing.T) {
		Exclusive(t)
		Exclusive(t)
		Shared(t)
		if free(t, unix.LOCK_SH) {
			t.Error("what is exclusive is shared")
		}
	})
	if held.count != 0 || !free(t, unix.LOCK_EX) {
		t.Errorf("the lock is still held by %d tests", held.count)
	}
}
