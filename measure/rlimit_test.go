package measure

import (
	"testing"

	"zombench/measure/measuretest"
)

func TestRlimitsOfZombie(t *testing.T) {
	fs := FS{Proc: t.TempDir()}
	measuretest.Put(t, fs.Proc, map[string]string{"291/limits": string(testdata(t, "amd64-7.3", "zombie", "limits"))})
	r, err := fs.Rlimits(291)
	if want := (Rlimits{Processes: Rlimit{1789, 1789}, Files: Rlimit{4095, 4096}}); err != nil || r != want {
		t.Errorf("%+v, %v; want %+v", r, err, want)
	}
}
