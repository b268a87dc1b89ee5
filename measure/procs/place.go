package procs

import (
	"path"
	"regexp"
	"strings"
)

// A Place is what the path of a cgroup says of a process, by the conventions of
// those who make cgroups: systemd.unit(5), Kubernetes, the container runtimes.
type Place struct {
	Unit      string `json:"unit,omitempty"`      // of systemd: a service or a scope, or else the innermost slice
	Pod       string `json:"pod,omitempty"`       // of Kubernetes: its uid
	Container string `json:"container,omitempty"` // its id, 12 digits
}

var (
	podName       = regexp.MustCompile(`(?:^|-)pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?$`)
	containerName = regexp.MustCompile(`^(?:[a-z]+(?:-[a-z]+)*-)?([0-9a-f]{12})[0-9a-f]{52}(?:\.scope)?$`)
)

// PlaceOf reads the path of a cgroup, as in /proc/PID/cgroup.
func PlaceOf(cgroup string) Place {
	var p Place
	for name := range strings.SplitSeq(cgroup, "/") {
		switch path.Ext(name) {
		case ".service", ".scope", ".socket", ".mount", ".swap":
			p.Unit = name
		case ".slice":
			if p.Unit == "" || strings.HasSuffix(p.Unit, ".slice") {
				p.Unit = name
			}
		}
		if m := podName.FindStringSubmatch(name); m != nil {
			p.Pod = strings.ReplaceAll(m[1], "_", "-")
		}
		if m := containerName.FindStringSubmatch(name); m != nil {
			p.Container = m[1]
		}
	}
	return p
}
