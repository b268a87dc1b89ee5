package limits

import (
	"strings"
	"testing"

	"zombench/measure"
)

func TestOwner(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for _, tt := range []struct{ path, owner, command string }{
		{"/user.slice/user-1000.slice", "systemd: TasksMax of user-1000.slice", "systemctl set-property --runtime user-1000.slice TasksMax=9"},
		{"/user.slice/user-1000.slice/user@1000.service", "systemd: TasksMax of user@1000.service", "systemctl set-property --runtime user@1000.service TasksMax=9"},
		{"/user.slice/user-1000.slice/user@1000.service/app.slice/a.service", "systemd: TasksMax of a.service", "systemctl --user set-property --runtime a.service TasksMax=9"},
		{`/system.slice/system-a\x2db.slice`, `systemd: TasksMax of system-a\x2db.slice`, `systemctl set-property --runtime 'system-a\x2db.slice' TasksMax=9`},
		{"/system.slice/docker-" + id + ".scope", "container 0123456789ab of docker (docker run --pids-limit, --memory)", ""},
		{"/docker/" + id, "container 0123456789ab of docker (docker run --pids-limit, --memory)", ""},
		{"/kubepods.slice/kubepods-burstable.slice", "Kubernetes: podPidsLimit of the kubelet, limits of the pod", ""},
		{"/podcasts", "", ""},
		{"/kubepods/burstable/pod12", "Kubernetes: podPidsLimit of the kubelet, limits of the pod", ""},
		{"/lxc.payload.box", "LXC container box", ""},
		{"/", "outside of this container", ""},
		{"/army", "", ""},
		{"/army/0123456789ab", "", ""},
	} {
		h := measure.Hierarchy{Version: 2, Mount: "/sys/fs/cgroup", Path: tt.path}
		o := ownerOf(h, h.Dir(), "TasksMax")
		if got := o.of(Limit{}); got != tt.owner {
			t.Errorf("%s: owner %q, want %q", tt.path, got, tt.owner)
		}
		if got := o.of(Limit{Unlimited: true}); got != "" {
			t.Errorf("%s: %q has set no limit", tt.path, got)
		}
		if (o.unit != "") != (tt.command != "") {
			t.Errorf("%s: unit %q", tt.path, o.unit)
		} else if o.unit != "" && o.setProperty("9").Text != tt.command {
			t.Errorf("%s: %s, want %s", tt.path, o.setProperty("9").Text, tt.command)
		}
	}
}

// The remedy for a unit's limit is systemd's only where systemd runs.
func TestRemedyOfUnit(t *testing.T) {
	unit := map[string]string{
		"self/cgroup":                 "0::/a.slice\n",
		"cgroup/a.slice/pids.max":     "5\n",
		"cgroup/a.slice/pids.current": "1\n",
		"cgroup/a.slice/memory.max":   "1000\n", "cgroup/a.slice/memory.current": "10\n", "cgroup/a.slice/memory.stat": "inactive_file 0\n",
	}
	query := Query{Count: 10, BytesPerZombie: 1000}
	for name, want := range map[string][2]string{
		"systemd": {"systemctl set-property --runtime a.slice TasksMax=1000", "systemctl set-property --runtime a.slice MemoryMax=1048576"},
		"tini":    {"echo 1000 > ROOT/sys/fs/cgroup/a.slice/pids.max", "echo 1048576 > ROOT/sys/fs/cgroup/a.slice/memory.max"},
	} {
		unit["1/status"] = strings.Replace(status(0, 1, 1, 1, "0"), "x", name, 1)
		fs := system(t, unit)
		limits, err := Read(fs, query)
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range []string{"pids.max", "memory.max"} {
			if got := strings.ReplaceAll(query.Remedy(find(t, limits, name, 0)).Text, fs.Root, "ROOT"); got != want[i] {
				t.Errorf("%s: %q, want %q", name, got, want[i])
			}
		}
	}
}
