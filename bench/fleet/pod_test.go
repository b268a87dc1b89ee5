package fleet_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"zombench/bench/kernels"
	"zombench/bench/vm"
	"zombench/bench/vm/guest"
	"zombench/bench/vm/initramfs"
	"zombench/results"
)

// A pod as the manifest describes it measures under cgroup version 2, nested where the
// kubelet would have it: started by runc, as containerd does. Without the host's cgroups
// it has no charge to tell of, and says so.
func TestPodOfCgroup2(t *testing.T) {
	if testing.Short() {
		t.Skip("booting takes seconds")
	}
	kernel := newestKernel(t)
	runc := withLibraries(t, "runc")
	bin := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin+"/", "zombench/cmd/zombench", "zombench/cmd/zombied", "zombench/cmd/zombench/guest")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, tt := range []struct {
		name    string
		cgroup  string // how the host's cgroups are mounted
		charged bool
	}{
		{"as described", "rw", true},
		{"without the host's cgroups", "ro", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // a guest is idle half of the time
			files, err := vm.GuestFiles(filepath.Join(bin, "guest"),
				guest.Config{Args: []string{runc[0].Path, "--root", "/run/runc", "run", "--no-pivot", "--bundle", "/pod", "measure"}},
				append(slices.Clone(runc),
					initramfs.File{Path: "/pod/config.json", Data: container(t, tt.cgroup)},
					initramfs.File{Path: "/pod/rootfs/bin/zombench", Source: filepath.Join(bin, "zombench"), Mode: 0o755},
					initramfs.File{Path: "/pod/rootfs/bin/zombied", Source: filepath.Join(bin, "zombied"), Mode: 0o755})...)
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			res, err := vm.Boot(t.Context(), vm.Config{Kernel: kernel, Files: files, Memory: 1024, Timeout: 5 * time.Minute, Stderr: &log})
			if err != nil {
				t.Fatalf("%v\n%s", err, log.String())
			}
			set, errs := results.Read(bytes.NewReader(res.Stdout), "pod")
			if len(errs) > 0 || len(set.Records) < 2 {
				t.Fatalf("%d trials, %v\n%s%s", len(set.Records), errs, res.Stdout, log.String())
			}
			sound := 0 // the first army after a boot may change more than itself
			for _, r := range set.Records {
				kmem, charged := r.Value(results.UnitKmem)
				if r.Bench != results.Zombies {
					continue
				}
				if r.Broken == "" {
					sound++
				}
				if charged != tt.charged || charged && (kmem < 1000*4096 || kmem > 1000*65536) {
					t.Errorf("%s: %v B are charged for 1000 zombies", r.Name(), kmem)
				}
				if results.Lookup(r.Config, "node") != "n1" || tt.charged && results.Lookup(r.Config, "cgroup") != "v2" {
					t.Errorf("%s was measured under %v", r.Name(), r.Config)
				}
			}
			if t.Failed() || sound == 0 {
				t.Errorf("%d sound armies", sound)
				t.Logf("%s%s", res.Stdout, log.String())
			}
		})
	}
}

// container is the configuration of the OCI runtime for the container that measures:
// privileged, in the host's pid and cgroup namespaces, with a read-only image.
func container(t *testing.T, cgroup string) []byte {
	t.Helper()
	type object = map[string]any
	all := strings.Fields(`CAP_AUDIT_CONTROL CAP_AUDIT_READ CAP_AUDIT_WRITE CAP_BLOCK_SUSPEND CAP_BPF
		CAP_CHECKPOINT_RESTORE CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_IPC_LOCK
		CAP_IPC_OWNER CAP_KILL CAP_LEASE CAP_LINUX_IMMUTABLE CAP_MAC_ADMIN CAP_MAC_OVERRIDE CAP_MKNOD CAP_NET_ADMIN
		CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_RAW CAP_PERFMON CAP_SETFCAP CAP_SETGID CAP_SETPCAP CAP_SETUID
		CAP_SYSLOG CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_CHROOT CAP_SYS_MODULE CAP_SYS_NICE CAP_SYS_PACCT CAP_SYS_PTRACE
		CAP_SYS_RAWIO CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_WAKE_ALARM`)
	b, err := json.Marshal(object{
		"ociVersion": "1.0.2",
		"process": object{
			"args":         []string{"/bin/zombench", "run", "--quiet", "--count", "50,100", "--parallel", "1", "--samples", "1"},
			"env":          []string{"PATH=/bin", "NODE_NAME=n1"},
			"cwd":          "/",
			"capabilities": object{"bounding": all, "effective": all, "permitted": all},
		},
		"root": object{"path": "rootfs", "readonly": true},
		"mounts": []object{
			{"destination": "/proc", "type": "proc", "source": "proc"},
			{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"mode=755"}},
			{"destination": "/sys", "type": "sysfs", "source": "sysfs"},
			{"destination": "/sys/fs/cgroup", "type": "bind", "source": "/sys/fs/cgroup", "options": []string{"rbind", cgroup}},
			{"destination": "/run", "type": "tmpfs", "source": "tmpfs"},
			{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"},
		},
		"linux": object{
			"cgroupsPath": "/kubepods/besteffort/pod1/measure",
			"namespaces":  []object{{"type": "mount"}, {"type": "uts"}, {"type": "ipc"}},
			"resources":   object{"devices": []object{{"allow": true, "access": "rwm"}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// newestKernel returns the newest kernel for this machine's architecture that was
// fetched, or skips the test.
func newestKernel(t *testing.T) vm.Kernel {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("runc of this machine boots with an amd64 kernel only")
	}
	arch, err := vm.LookupArch("amd64")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := arch.LookQEMU(); err != nil {
		t.Skip(err)
	}
	dir, err := kernels.CacheDir()
	if err != nil {
		t.Skip(err)
	}
	resolver := kernels.Resolver{Dir: dir}
	newest, err := resolver.List(t.Context(), nil, []string{"amd64-newest"}, true)
	if err != nil {
		t.Skip("no amd64 kernel in the cache; zombench kernels fetch amd64-newest brings one")
	}
	k, err := vm.Inspect(filepath.Join(dir, "kernels", newest[0].Name, "vmlinuz"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// withLibraries returns a program of this machine, and then the libraries it needs, to
// lie where they lie here.
func withLibraries(t *testing.T, name string) []initramfs.File {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(err)
	}
	files := []initramfs.File{{Path: path, Source: path, Mode: 0o755}}
	out, _ := exec.Command("ldd", path).Output() // fails for a static program
	for _, m := range regexp.MustCompile(`(?m)(/\S+) \(0x`).FindAllStringSubmatch(string(out), -1) {
		files = append(files, initramfs.File{Path: m[1], Source: m[1], Mode: 0o755})
	}
	return files
}
