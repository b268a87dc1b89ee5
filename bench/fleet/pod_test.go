package fleet_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"zombench/bench/labtest/guests"
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
	kernel := guests.Kernels(t, "")[0]
	runc := guests.Installed(t, "runc")
	init := guests.Program(t, "zombench/cmd/zombench/guest")
	var programs []initramfs.File
	for _, name := range []string{"zombench", "zombied"} {
		program := guests.Program(t, "zombench/cmd/"+name)
		program.Path = "/pod/rootfs" + program.Path
		programs = append(programs, program)
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
			out, err := guests.Boot(t, kernel, 1024, 5*time.Minute, init,
				[]string{runc[0].Path, "--root", "/run/runc", "run", "--no-pivot", "--bundle", "/pod", "measure"},
				slices.Concat(runc, programs, []initramfs.File{{Path: "/pod/config.json", Data: container(t, tt.cgroup)}})...)
			if err != nil {
				t.Fatal(err)
			}
			set, errs := results.Read(strings.NewReader(out), "pod")
			if len(errs) > 0 || len(set.Records) < 2 {
				t.Fatalf("%d trials, %v\n%s", len(set.Records), errs, out)
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
				t.Log(out)
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
