package limits

import (
	"path/filepath"
	"regexp"
	"strings"

	"zombench/measure"
)

// owner is who sets the limits of a cgroup. Only its name says so, by the
// conventions of those who make cgroups: systemd.unit(5), docker and podman,
// Kubernetes, LXC.
type owner struct {
	unit     string // of systemd; "" if it has none
	user     bool   // the unit is one of a user's own systemd
	property string // of the unit
	other    string // who else it is
}

// container matches the directories that runtimes name after containers.
var container = regexp.MustCompile(`^(?:(docker|libpod|crio|cri-containerd|nerdctl)-)?([0-9a-f]{12})[0-9a-f]{52}(?:\.scope)?$`)

// ownerOf returns who owns a directory of a hierarchy; property is what systemd
// calls the limit.
func ownerOf(h measure.Hierarchy, dir, property string) owner {
	name, above := filepath.Base(dir), filepath.Dir(dir)
	if dir == filepath.Clean(h.Mount) {
		return owner{other: "outside of this container"}
	}
	if m := container.FindStringSubmatch(name); m != nil {
		runtime := m[1]
		if runtime == "" {
			runtime = filepath.Base(above)
		}
		return owner{other: "container " + m[2] + " of " + runtime + " (docker run --pids-limit, --memory)"}
	}
	switch {
	case strings.HasPrefix(name, "kubepods"), strings.HasPrefix(name, "pod") && strings.Contains(above, "/kubepods"):
		return owner{other: "Kubernetes: podPidsLimit of the kubelet, limits of the pod"}
	case strings.HasPrefix(name, "lxc.payload.") || filepath.Base(above) == "lxc":
		return owner{other: "LXC container " + strings.TrimPrefix(name, "lxc.payload.")}
	}
	switch filepath.Ext(name) {
	case ".slice", ".service", ".scope", ".socket", ".mount", ".swap":
		return owner{unit: name, property: property, user: strings.Contains(above+"/", "/user@")}
	}
	return owner{}
}

// of says it for a limit; nobody has set one that does not limit.
func (o owner) of(l Limit) string {
	switch {
	case l.Unlimited:
		return ""
	case o.unit != "":
		return "systemd: " + o.property + " of " + o.unit
	}
	return o.other
}

// raise sets the limit of a cgroup, or the property of the unit that owns it.
func (o owner) raise(fs measure.FS, l Limit, value, property string) Remedy {
	if o.unit != "" && systemd(fs) {
		return o.setProperty(property)
	}
	return echo(value, l.Where)
}

// setProperty is the command that sets the limit until the next boot: systemd
// writes its own value over one that is written into the cgroup.
func (o owner) setProperty(value string) Remedy {
	command := "systemctl set-property --runtime "
	if o.user {
		command = "systemctl --user set-property --runtime "
	}
	return Remedy{Text: command + quote(o.unit) + " " + o.property + "=" + value}
}

// systemd reports whether it runs as pid 1 here.
func systemd(fs measure.FS) bool {
	init, err := fs.Status(1)
	return err == nil && init.Name == "systemd"
}
