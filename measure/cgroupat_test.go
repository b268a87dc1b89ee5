package measure

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCgroupAt(t *testing.T) {
	fs := cgroupFS(t, v1Lines, v1Mounts, map[string]string{
		"sys/fs/cgroup/pids/a/b/x": "", "sys/fs/cgroup/memory/a/b/x": "", "sys/fs/cgroup/pids/only/x": "",
	})
	mount := filepath.Join(fs.Root, "sys/fs/cgroup")
	for _, tt := range []struct {
		path, pids, memory string // "": none
	}{
		{"/a/b", "/a/b", "/a/b"},
		{mount + "/pids/a/b", "/a/b", "/a/b"},
		{mount + "/memory/a/b", "/a/b", "/a/b"},
		{mount + "/pids/only/", "/only", ""},
		{"/only", "/only", ""},
	} {
		m, err := fs.CgroupAt(tt.path)
		if err != nil {
			t.Errorf("%s: %v", tt.path, err)
			continue
		}
		for name, want := range map[string]string{"pids": tt.pids, "memory": tt.memory} {
			h, err := m.Controller(name)
			if h.Path != want || (want == "") != errors.Is(err, ErrNotSupported) {
				t.Errorf("%s: %s at %q (%v), want %q", tt.path, name, h.Path, err, want)
			}
		}
	}
	for _, path := range []string{"/nowhere", mount + "/pids/nowhere", os.TempDir()} {
		if m, err := fs.CgroupAt(path); err == nil || !strings.Contains(err.Error(), "is not a cgroup") {
			t.Errorf("%q: %+v, %v", path, m, err)
		}
	}
}
