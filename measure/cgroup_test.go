package measure

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/measure/measuretest"
)

// place lays out a proc root and the cgroup directories of a process, and
// returns the FS that shows them.
func cgroupFS(t *testing.T, cgroup, mountinfo string, files map[string]string) FS {
	t.Helper()
	fs := FS{Proc: t.TempDir(), Root: t.TempDir()}
	measuretest.Put(t, fs.Proc, map[string]string{"self/cgroup": cgroup, "self/mountinfo": mountinfo})
	measuretest.Put(t, fs.Root, files)
	return fs
}

const (
	v1Mounts = `22 27 0:21 / /proc rw,relatime - proc proc rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:15 master:2 - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
`
	unifiedMount = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
	v2Mount      = "30 29 0:27 / /sys/fs/cgroup rw,relatime - cgroup2 none rw\n"
	v1Lines      = "9:name=systemd:/s\n8:pids:/a/b\n4:memory:/m\n1:cpu,cpuacct:/c\n"
)

func TestCgroups(t *testing.T) {
	v1Files := map[string]string{
		"sys/fs/cgroup/pids/a/b/pids.max": "", "sys/fs/cgroup/memory/m/x": "", "sys/fs/cgroup/systemd/s/x": "",
		"sys/fs/cgroup/cpu,cpuacct/c/x": "",
	}
	with := func(files map[string]string, more ...string) map[string]string {
		all := make(map[string]string)
		for k, v := range files {
			all[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	for _, tt := range []struct {
		name, cgroup, mounts string
		files                map[string]string
		controller           string
		want                 Hierarchy // Mount without the root
		err                  error
	}{
		{"v1", v1Lines, v1Mounts, v1Files, "pids", Hierarchy{1, "/sys/fs/cgroup/pids", "/a/b"}, nil},
		{"v1, two controllers in one", v1Lines, v1Mounts, v1Files, "cpuacct", Hierarchy{1, "/sys/fs/cgroup/cpu,cpuacct", "/c"}, nil},
		{"v1, named", v1Lines, v1Mounts, v1Files, "name=systemd", Hierarchy{1, "/sys/fs/cgroup/systemd", "/s"}, nil},
		{"v1, not mounted", "5:hugetlb:/\n" + v1Lines, v1Mounts, v1Files, "hugetlb", Hierarchy{}, ErrNotSupported},
		{"v1, no such controller", v1Lines, v1Mounts, v1Files, "zombies", Hierarchy{}, ErrNotSupported},
		{"v1, nothing has no name", v1Lines, v1Mounts, v1Files, "", Hierarchy{}, ErrNotSupported},
		{"v2", "0::/army\n", v2Mount,
			map[string]string{"sys/fs/cgroup/cgroup.controllers": "cpu memory pids\n", "sys/fs/cgroup/army/x": ""},
			"memory", Hierarchy{2, "/sys/fs/cgroup", "/army"}, nil},
		{"v2 that carries no pids", "0::/army\n", v2Mount,
			map[string]string{"sys/fs/cgroup/cgroup.controllers": "cpu memory\n", "sys/fs/cgroup/army/x": ""},
			"pids", Hierarchy{}, ErrNotSupported},
		{"hybrid, from v1", v1Lines + "0::/u\n", v1Mounts + unifiedMount,
			with(v1Files, "sys/fs/cgroup/unified/cgroup.controllers", "hugetlb\n", "sys/fs/cgroup/unified/u/x", ""),
			"pids", Hierarchy{1, "/sys/fs/cgroup/pids", "/a/b"}, nil},
		{"hybrid, from v2", v1Lines + "0::/u\n", v1Mounts + unifiedMount,
			with(v1Files, "sys/fs/cgroup/unified/cgroup.controllers", "hugetlb\n", "sys/fs/cgroup/unified/u/x", ""),
			"hugetlb", Hierarchy{2, "/sys/fs/cgroup/unified", "/u"}, nil},
		{"bind mount of the container's part", "8:pids:/docker/abc/job\n",
			"39 31 0:36 /docker/abc /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n",
			map[string]string{"sys/fs/cgroup/pids/job/x": ""},
			"pids", Hierarchy{1, "/sys/fs/cgroup/pids", "/job"}, nil},
		{"bind mount, at its root", "8:pids:/docker/abc\n",
			"39 31 0:36 /docker/abc /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n",
			map[string]string{"sys/fs/cgroup/pids/x": ""},
			"pids", Hierarchy{1, "/sys/fs/cgroup/pids", "/"}, nil},
		{"bind mount of another's part", "8:pids:/docker/abcdef\n",
			"39 31 0:36 /docker/abc /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n",
			map[string]string{"sys/fs/cgroup/pids/def/x": ""},
			"pids", Hierarchy{}, ErrNotSupported},
		{"the mount's root lies above our namespace", "0::/\n",
			"30 29 0:27 /../.. /sys/fs/cgroup rw - cgroup2 none rw\n",
			map[string]string{"sys/fs/cgroup/cgroup.controllers": "pids\n"},
			"pids", Hierarchy{}, ErrNotSupported},
		{"outside of our namespace", "0::/../other\n", v2Mount,
			map[string]string{"sys/fs/cgroup/cgroup.controllers": "pids\n", "sys/fs/other/x": ""},
			"pids", Hierarchy{}, ErrNotSupported},
		{"mounted twice, the later one covers", "0::/army\n", v2Mount + "31 30 0:27 / /mnt/two\\040words rw - cgroup2 none rw\n",
			map[string]string{"sys/fs/cgroup/cgroup.controllers": "pids\n", "sys/fs/cgroup/army/x": "",
				"mnt/two words/cgroup.controllers": "pids\n", "mnt/two words/army/x": ""},
			"pids", Hierarchy{2, "/mnt/two words", "/army"}, nil},
		{"mounted twice, only one shows it", "0::/army\n", v2Mount + "31 30 0:27 / /mnt/empty rw - cgroup2 none rw\n",
			map[string]string{"sys/fs/cgroup/cgroup.controllers": "pids\n", "sys/fs/cgroup/army/x": ""},
			"pids", Hierarchy{2, "/sys/fs/cgroup", "/army"}, nil},
		{"colons in the path", "0::/a:b:/c\n", v2Mount,
			map[string]string{"sys/fs/cgroup/cgroup.controllers": "pids\n", "sys/fs/cgroup/a:b:/c/x": ""},
			"pids", Hierarchy{2, "/sys/fs/cgroup", "/a:b:/c"}, nil},
		{"no cgroups at all", "", "", nil, "pids", Hierarchy{}, ErrNotSupported},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fs := cgroupFS(t, tt.cgroup, tt.mounts, tt.files)
			m, err := fs.Cgroups(0)
			if err != nil {
				t.Fatal(err)
			}
			h, err := m.Controller(tt.controller)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			if _, err := os.Stat(h.Dir()); err != nil {
				t.Error(err)
			}
			h.Mount = strings.TrimPrefix(h.Mount, fs.Root)
			if diff := cmp.Diff(tt.want, h); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCgroupsMalformed(t *testing.T) {
	for _, tt := range []struct{ name, cgroup, mounts string }{
		{"cgroup without a path", "8:pids\n", v2Mount},
		{"path that is none", "8:pids:a\n", v2Mount},
		{"hierarchy without a number", "x:pids:/a\n", v2Mount},
		{"mount cut short", "0::/\n", "30 29 0:27 / /sys\n"},
		{"mount without a dash", "0::/\n", strings.Replace(v2Mount, " - ", " ", 1)},
	} {
		if _, err := cgroupFS(t, tt.cgroup, tt.mounts, nil).Cgroups(0); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error %v, want ErrMalformed", tt.name, err)
		}
	}
	if _, err := Host().Cgroups(1 << 30); !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrNotSupported) {
		t.Errorf("no such process: %v", err)
	}
}

func TestCgroupsOfKernels(t *testing.T) {
	for _, kernel := range kernels {
		fs := FS{Proc: after(kernel).Proc, Root: t.TempDir()}
		measuretest.Put(t, fs.Root, map[string]string{"sys/fs/cgroup/cgroup.controllers": "memory pids\n", "sys/fs/cgroup/army/x": ""})
		m, err := fs.Cgroups(0)
		if err != nil {
			t.Fatalf("%s: %v", kernel, err)
		}
		h, err := m.Controller("pids")
		if err != nil || h.Version != 2 || h.Path != "/army" {
			t.Errorf("%s: %+v, %v", kernel, h, err)
		}
		if u, err := m.Unified(); err != nil || u.Dir() != h.Dir() {
			t.Errorf("%s: %+v, %v", kernel, u, err)
		}
	}
}

// The directory that was found for this process lists it.
func TestCgroupsOfThisProcess(t *testing.T) {
	m, err := Host().Cgroups(0)
	if err != nil {
		t.Fatal(err)
	}
	h, err := m.Controller("pids")
	if err != nil {
		t.Skip(err)
	}
	data, err := os.ReadFile(filepath.Join(h.Dir(), "cgroup.procs"))
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Readlink("/proc/self")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains("\n"+string(data), "\n"+self+"\n") {
		t.Errorf("%s does not list process %s", h.Dir(), self)
	}
}

func TestAncestors(t *testing.T) {
	for _, tt := range []struct {
		path string
		want []string
	}{
		{"/", []string{"/m"}},
		{"/a", []string{"/m/a", "/m"}},
		{"/a/b/c", []string{"/m/a/b/c", "/m/a/b", "/m/a", "/m"}},
		{"", []string{"/m"}},
	} {
		if diff := cmp.Diff(tt.want, Hierarchy{Mount: "/m", Path: tt.path}.Ancestors()); diff != "" {
			t.Errorf("%q: %s", tt.path, diff)
		}
	}
}

func FuzzParseCgroup(f *testing.F) {
	f.Add(v1Lines)
	f.Add("0::/army\n")
	f.Add("1:a,b,:/x:y\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := parseCgroup([]byte(text))
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		for _, l := range lines {
			if !strings.HasPrefix(l.path, "/") || !strings.Contains(text, l.path) {
				t.Fatalf("path %q of %q", l.path, text)
			}
		}
	})
}

func FuzzParseMountinfo(f *testing.F) {
	f.Add(v1Mounts + unifiedMount + v2Mount)
	f.Add("30 29 0:27 /a\\040b /c\\ rw - cgroup2\n")
	f.Add("30 29 0:27 /a\\999 /c\\12 rw shared:1 - cgroup none rw,memory\n")
	f.Fuzz(func(t *testing.T, text string) {
		mounts, err := parseMountinfo([]byte(text))
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		for _, m := range mounts {
			if m.version != 1 && m.version != 2 {
				t.Fatalf("version %d", m.version)
			}
			for _, p := range []string{"/", "/a", m.root, m.root + "/x"} {
				// What is seen from the root leads back to the path.
				if rel, ok := under(m.root, p); ok && strings.HasPrefix(m.root, "/") &&
					filepath.Join(m.root, rel) != filepath.Clean(p) {
					t.Fatalf("under(%q, %q) = %q", m.root, p, rel)
				}
			}
		}
	})
}
