package procs

import "testing"

func TestPlaceOf(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for _, tt := range []struct {
		cgroup string
		want   Place
	}{
		{"/", Place{}},
		{"/system.slice/cron.service", Place{Unit: "cron.service"}},
		{"/user.slice/user-1000.slice/session-3.scope", Place{Unit: "session-3.scope"}},
		{"/user.slice/user-1000.slice/user@1000.service/app.slice/a.service", Place{Unit: "a.service"}},
		{"/system.slice/docker-" + id + ".scope", Place{Unit: "docker-" + id + ".scope", Container: id[:12]}},
		{"/docker/" + id, Place{Container: id[:12]}},
		{"/kubepods/burstable/pod12345678-1234-1234-1234-123456789abc/" + id,
			Place{Pod: "12345678-1234-1234-1234-123456789abc", Container: id[:12]}},
		{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12345678_1234_1234_1234_123456789abc.slice/cri-containerd-" + id + ".scope",
			Place{Unit: "cri-containerd-" + id + ".scope", Pod: "12345678-1234-1234-1234-123456789abc", Container: id[:12]}},
		{"/podcasts/poddle", Place{}},
	} {
		if got := PlaceOf(tt.cgroup); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.cgroup, got, tt.want)
		}
	}
}
