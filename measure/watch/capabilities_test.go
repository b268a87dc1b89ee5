package watch

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"zombench/measure"
	"zombench/measure/lifecycle"
)

// The two capabilities of the systemd unit are enough, and neither of them alone.
func TestCapabilities(t *testing.T) {
	if want := os.Getenv("ZOMBENCH_SEES"); want != "" {
		m, err := Open(Options{FS: measure.Host(), Pages: 10_000, Room: lifecycle.Room{Parents: 10, Dead: 10}})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		unseen := strings.Join(m.Unseen(), "; ")
		if sees := unseen == ""; sees != (want == "all") {
			t.Errorf("unseen: %q", unseen)
		} else if !sees && !strings.Contains(unseen, measure.ErrNotPermitted.Error()) {
			t.Errorf("it does not say that rights are missing: %q", unseen)
		}
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give it up")
	}
	open(t, false) // or there is no BPF at all
	for _, tt := range []struct {
		name string
		caps []uintptr
		sees string
	}{
		{"both", []uintptr{unix.CAP_BPF, unix.CAP_PERFMON}, "all"},
		{"CAP_BPF", []uintptr{unix.CAP_BPF}, "scans"},
		{"CAP_PERFMON", []uintptr{unix.CAP_PERFMON}, "scans"},
		{"none", nil, "scans"},
	} {
		self, err := os.Open("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/proc/self/fd/3", "-test.run=^TestCapabilities$", "-test.v")
		cmd.ExtraFiles = []*os.File{self}
		cmd.Dir = "/"
		cmd.Env = append(os.Environ(), "ZOMBENCH_SEES="+tt.sees)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: tt.caps}
		out, err := cmd.CombinedOutput()
		self.Close()
		if err != nil || !strings.Contains(string(out), "PASS: TestCapabilities") {
			t.Errorf("with %s: %v\n%s", tt.name, err, out)
		}
	}
}
