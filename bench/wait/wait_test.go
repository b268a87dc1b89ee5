package wait

import (
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWait(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	start := func(script string) int {
		t.Helper()
		pid, err := syscall.ForkExec(sh, []string{"sh", "-c", script}, &syscall.ProcAttr{})
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	for _, tt := range []struct {
		script string
		code   int32
		status int32
		shell  int
	}{
		{"exit 0", Exited, 0, 0},
		{"exit 7", Exited, 7, 7},
		{"kill -KILL $$", Killed, int32(unix.SIGKILL), 128 + int(unix.SIGKILL)},
	} {
		pid := start(tt.script)
		want := Child{pid, tt.code, tt.status}
		if c, err := ID(unix.P_PID, pid, unix.WEXITED|unix.WNOWAIT); c != want || err != nil {
			t.Errorf("%s: %+v, %v; want %+v", tt.script, c, err, want)
		}
		other := start("exit 1") // is collected on the way, or remains
		if status, err := Until(pid); status != tt.shell || err != nil {
			t.Errorf("%s: %d, %v; want %d", tt.script, status, err, tt.shell)
		}
		_, _ = ID(unix.P_PID, other, unix.WEXITED)
	}
	living := start("exec sleep 1000")
	if c, err := ID(unix.P_PID, living, unix.WEXITED|unix.WNOHANG); c != (Child{}) || err != nil {
		t.Errorf("of a child that lives: %+v, %v; want nothing", c, err)
	}
	_ = unix.Kill(living, unix.SIGTERM)
	if status, err := Until(living); status != 128+int(unix.SIGTERM) || err != nil {
		t.Errorf("%d, %v; want %d", status, err, 128+int(unix.SIGTERM))
	}
	if _, err := ID(unix.P_PID, living, unix.WEXITED); err != unix.ECHILD {
		t.Errorf("of a child that is gone: %v, want ECHILD", err)
	}
}
