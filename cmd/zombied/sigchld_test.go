package main

import (
	"bytes"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"zombench/measure"
)

// A SIGCHLD by hand makes a parent reap that was written to, and no other: the
// advice to send one does not help against a parent that never waits.
func TestSIGCHLDByHand(t *testing.T) {
	const count = 200
	for _, spawn := range []string{"exec", "clone"} {
		t.Run(reapOnSIGCHLD+"/"+spawn, func(t *testing.T) {
			d := drive(t, nil, "--hold", "--count", strconv.Itoa(count), "--spawn", spawn, "--on-sigchld", reapOnSIGCHLD)
			d.until(held)
			for range 2 {
				d.order(syscall.SIGCHLD) // nothing stands
				d.order(syscall.SIGUSR1)
				d.until(standing)
				if zombies, _ := children(t, d.pid); len(zombies) != count {
					t.Fatalf("%d zombies stand, want %d: the deaths themselves were taken for a signal by hand", len(zombies), count)
				}
				d.order(syscall.SIGCHLD)
				if m := d.until(reaped); m.num(t, "EXITED") != count {
					t.Errorf("reaped: %v", m)
				}
				if zombies, _ := children(t, d.pid); len(zombies) != 0 {
					t.Errorf("%d zombies are left", len(zombies))
				}
			}
		})
		t.Run(ignoreSIGCHLD+"/"+spawn, func(t *testing.T) {
			d := drive(t, nil, "--hold", "--count", strconv.Itoa(count), "--spawn", spawn)
			d.until(held)
			d.order(syscall.SIGUSR1)
			d.until(standing)
			d.order(syscall.SIGCHLD)
			d.order(syscall.SIGUSR1) // is answered after the signal was taken: still standing
			d.order(syscall.SIGHUP)
			d.ends()
			if !strings.Contains(d.log.String(), `left to init"=`+strconv.Itoa(count)) {
				t.Errorf("the army did not stand to the end:\n%s", &d.log)
			}
		})
	}
}

// zombied list says what ps does.
func TestList(t *testing.T) {
	d := drive(t, nil, "--count", "40")
	d.until(standing)
	var out bytes.Buffer
	if err := list(&out, measure.Host(), d.pid); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 41 || lines[0][:4] != "STAT" {
		t.Fatalf("%d lines, want a header and 40:\n%s", len(lines), &out)
	}
	if !slices.IsSorted(lines[1:]) {
		t.Error("not in the order of the pids")
	}
	if _, err := exec.LookPath("ps"); err != nil {
		t.Skip("needs ps to compare with:", err)
	}
	ps, err := exec.Command("ps", "-o", "stat,pid,comm,ppid", "--ppid", strconv.Itoa(d.pid)).Output()
	if err != nil {
		t.Fatal(err)
	}
	fields := func(s string) []string { // some versions of ps add to the name what it is
		return strings.Fields(strings.ReplaceAll(s, " <defunct>", ""))
	}
	if got, want := fields(out.String()), fields(string(ps)); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nps says\n%s", &out, ps)
	}
}
