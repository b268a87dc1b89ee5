package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"zombench/bench/experiments"
	"zombench/measure/measuretest"
	"zombench/measure/procs"
	"zombench/measure/taskscan"
	"zombench/measure/watch/deploy"
)

// The check says in one line what is wrong, and ends as Nagios expects.
func TestPsCheck(t *testing.T) {
	for _, tt := range []struct {
		warn, crit, status int
		want               string
	}{
		{100, 1000, 0, "ZOMBIES OK - 53 zombies, 30 of them of 1000 (/usr/bin/server --port 80); 1 process of which only the main thread has ended | zombies=53;100;1000;0\n"},
		{53, 1000, 1, "ZOMBIES WARNING - "},
		{10, 53, 2, "ZOMBIES CRITICAL - "},
		{0, 54, 0, "| zombies=53;;54;0\n"},
		{53, 0, 1, "| zombies=53;53;;0\n"},
	} {
		kernel := machine(t, measuretest.Village(), nil)
		var out, errs bytes.Buffer
		err := ps(&out, &errs, kernel, procs.ByProc(kernel), nil, psOptions{format: "text", warn: tt.warn, crit: tt.crit})
		if got := exitCode(&errs, err); got != tt.status || !strings.Contains(out.String(), tt.want) || strings.Count(out.String(), "\n") != 1 || errs.Len() > 0 {
			t.Errorf("--warn %d --crit %d: status %d, %q, %q", tt.warn, tt.crit, got, &out, &errs)
		}
	}
	// What cannot be known is status 3, never 0.
	var out bytes.Buffer
	kernel := machine(t, nil, nil)
	fails := func(func(*taskscan.Task)) error { return errors.New("no way") }
	if err := ps(&out, &out, kernel, fails, nil, psOptions{format: "text", warn: 1}); exitCode(&out, err) != 3 || out.String() != "ZOMBIES UNKNOWN - no way\n" {
		t.Errorf("%q", &out)
	}
}

func TestPsTextfile(t *testing.T) {
	kernel := machine(t, measuretest.Village(), nil)
	file := filepath.Join(t.TempDir(), "zombies.prom")
	var out bytes.Buffer
	if err := ps(&out, &out, kernel, procs.ByProc(kernel), nil, psOptions{format: "text", textfile: file}); err != nil || out.Len() > 0 {
		t.Fatal(err, &out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`zombie_children{command="server",container="",pod="",unit="server.service"} 30`,
		`zombie_leaders_with_live_threads 1`,
		`zombie_limit_headroom{limit="kernel.pid_max"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "zombie_watch_sees_all") || strings.Contains(string(text), "_total") {
		t.Errorf("a single scan has no rates:\n%s", text)
	}
	promtool(t, file, "check", "metrics")
}

// promtool runs Prometheus's own tool, if it is installed, with a file as input.
func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Log("promtool is not installed")
		return
	}
	cmd := exec.Command(path, args...)
	if input != "" {
		if cmd.Stdin, err = os.Open(input); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %v: %v\n%s", args, err, out)
	}
}

func TestPrintDeploy(t *testing.T) {
	for _, name := range deploy.Names() {
		var out bytes.Buffer
		if err := execute(t.Context(), experiments.All, &out, &out, []string{"watch", "--print", name}); err != nil || out.Len() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWatchUsage(t *testing.T) {
	for _, flag := range []string{"--print=nonsense", "--format=html", "--interval=1ms", "--for=-1s", "--for=soon"} {
		var out bytes.Buffer
		if err := execute(t.Context(), experiments.All, &out, &out, []string{"watch", flag}); exitCode(&out, err) != usageStatus {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

// On a terminal watch shows a table that fits, follows the size, and gives the
// terminal back as it was; q ends it.
func TestWatchScreen(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Skip(err)
	}
	defer master.Close()
	defer slave.Close()
	resize := func(columns, rows uint16) {
		t.Helper()
		if err := pty.Setsize(master, &pty.Winsize{Cols: columns, Rows: rows}); err != nil {
			t.Fatal(err)
		}
	}
	resize(30, 8)
	before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("zombench", "watch", "--interval", "100ms", "--no-bpf")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }() // at the latest

	const enter, leave, home, rest = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l", "\x1b[H", "\x1b[J"
	var all strings.Builder
	read := func(until string) string {
		t.Helper()
		from := all.Len()
		buf := make([]byte, 4096)
		for !strings.Contains(all.String()[from:], until) {
			n, err := master.Read(buf)
			if err != nil {
				t.Fatalf("%v after %q", err, &all)
			}
			all.Write(buf[:n])
		}
		return all.String()[from:]
	}
	check := func(columns, rows int) {
		t.Helper()
		for range 2 { // the first may have been drawn before the size changed
			read(home)
			read(rest)
		}
		text := all.String()
		last := text[strings.LastIndex(text[:strings.LastIndex(text, rest)], home)+len(home) : strings.LastIndex(text, rest)]
		lines := strings.Split(strings.ReplaceAll(last, "\x1b[K", ""), "\r\n")
		if len(lines) > rows || !strings.HasPrefix(lines[0], "zombench w") {
			t.Errorf("%d lines of %d: %q", len(lines), rows, last)
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n > columns {
				t.Errorf("%d columns of %d: %q", n, columns, line)
			}
		}
	}
	check(30, 8)
	resize(12, 3)
	check(12, 3)
	if _, err := master.Write([]byte("xq")); err != nil { // x does nothing
		t.Fatal(err)
	}
	read(leave)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(all.String(), enter) || strings.Count(all.String(), "\x1b[2J") > 0 {
		t.Errorf("it begins with %.20q, or clears the screen", &all)
	}
	after, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal is not as it was: %+v, was %+v (%v)", after, before, err)
	}
}
