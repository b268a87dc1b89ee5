package results

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func someTrial(count string) Trial {
	return Trial{
		Bench:  Zombies,
		Params: []Param{{Key: "count", Value: count}},
		N:      10,
		Values: []Value{{Unit: UnitPids, Value: 1}},
	}
}

func mustWrite(t *testing.T, o *Output, trial Trial) {
	t.Helper()
	if err := o.WriteTrial(trial); err != nil {
		t.Fatal(err)
	}
}

// A run that is killed before its first trial leaves no file, not even an
// empty one.
func TestNoFileBeforeTheFirstTrial(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.txt")
	o, err := Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("before the first trial: %v, want no file", err)
	}
	mustWrite(t, o, someTrial("10x"))
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if set, errs := Load(path); len(errs) > 0 || len(set.Records) != 1 {
		t.Errorf("the file holds %d records, errors %v; want 1", len(set.Records), errs)
	}
}

func TestOldFileStaysUntilTheFirstTrial(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.txt")
	const old = "what stood there, and is longer than what comes instead of it by far, by far, by far, by far, by far\n"
	if err := os.WriteFile(path, []byte(old), 0o644); err != nil {
		t.Fatal(err)
	}
	o, err := Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); string(got) != old {
		t.Errorf("before the first trial the file holds %q", got)
	}
	mustWrite(t, o, someTrial("10x"))
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(path)
	if string(got) != o.copy.String() {
		t.Errorf("the file holds %q, and the copy %q", got, o.copy.String())
	}
	if got, _ := os.ReadFile(path + ".old"); string(got) != old {
		t.Errorf("of what was there %q was kept", got)
	}
}

func TestOutputRefused(t *testing.T) {
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "no", "such")} {
		if _, err := Create(path, nil); err == nil {
			t.Errorf("%s is taken for a result file", path)
		}
	}
}

// A link that somebody else has laid leads to a file that is not to be written.
func TestLinkOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("root may give a link away")
	}
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "out.txt")
	if err := os.WriteFile(target, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if o, err := Create(link, nil); err != nil { // the control: our own
		t.Error(err)
	} else if err := o.Close(); err != nil {
		t.Error(err)
	}
	if err := os.Lchown(link, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(link, nil); err == nil || !strings.Contains(err.Error(), "symbolic link of user 65534") {
		t.Errorf("somebody else's link: %v", err)
	}
}

// A file that is replaced is written beside it under a name that nobody can have
// taken before.
func TestWriteFileFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	target, path := filepath.Join(dir, "target"), filepath.Join(dir, "out.txt")
	for _, link := range []string{path, filepath.Join(dir, ".out.txt"), path + ".tmp"} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	if err := WriteFile(path, func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(target); !errors.Is(err, os.ErrNotExist) {
		t.Error("a link was followed")
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "new" {
		t.Errorf("%q, %v", b, err)
	}
}

// A fullDisk takes some bytes and then no more.
type fullDisk struct {
	*os.File
	room int
}

func (d *fullDisk) Write(p []byte) (int, error) {
	n, err := d.File.Write(p[:min(len(p), d.room)])
	d.room -= n
	if err == nil && n < len(p) {
		err = syscall.ENOSPC
	}
	return n, err
}

func TestFullDiskLeavesWholeLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.txt")
	o, err := Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, o, someTrial("10x"))
	whole := o.copy.Len()
	o.w = NewWriter(wholeWrites{to: &fullDisk{o.file, 20}, file: o.file, copy: &o.copy})
	if err := o.WriteTrial(someTrial("20x")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("on a full disk: %v", err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); len(got) != whole || string(got) != o.copy.String() {
		t.Errorf("the file holds %d bytes, want the %d of whole lines: %q", len(got), whole, got)
	}
}
