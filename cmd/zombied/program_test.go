package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Where a memfd may not be executed, true takes the place of our own program, and
// that is said.
func TestOwnProgramRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a pid namespace")
	}
	if _, err := os.Stat("/proc/sys/vm/memfd_noexec"); err != nil {
		t.Skip("vm.memfd_noexec is known from Linux 6.3 on")
	}
	var stderr strings.Builder
	cmd := exec.Command("unshare", "--pid", "--fork", "--mount-proc", "sh", "-c",
		"echo 2 >/proc/sys/vm/memfd_noexec && zombied program && exec zombied --foreground --count 3 --parallel 1 --lifeline 0")
	stdin, err := cmd.StdinPipe() // the lifeline
	if err != nil {
		t.Fatal(err)
	}
	stdin.Close()
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	if said := "own program cannot be executed here"; !strings.Contains(string(out), "/true@") || strings.Count(stderr.String(), said) != 2 {
		t.Errorf("printed %q, said %q", out, &stderr)
	}
}
