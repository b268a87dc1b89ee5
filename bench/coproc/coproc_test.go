package coproc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"zombench/bench/coproc"
)

func start(ctx context.Context, script string) (*coproc.Process, error) {
	return coproc.Start(ctx, (*exec.Cmd).Start, exec.Command("sh", "-c", script))
}

// It is ready when it has printed a line, and ends when it is asked no more.
func Example() {
	p, err := start(context.Background(), `echo ready; while read n; do echo $((n * n)); done`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Ready)
	fmt.Println(p.Ask("12"))
	fmt.Println(p.Close())
	// Output:
	// ready
	// 144 <nil>
	// <nil>
}

func TestOutputAfterTheEnd(t *testing.T) {
	p, err := start(t.Context(), `echo; cat >/dev/null; echo so long`)
	if err != nil {
		t.Fatal(err)
	}
	p.End()
	if rest, err := io.ReadAll(p.Output); string(rest) != "so long\n" || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

// More output than a pipe holds is in the way of no end.
func TestUnreadOutput(t *testing.T) {
	p, err := start(t.Context(), `echo; yes | head -c 1000000`)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// A child that lives on with its output and standard error is in the way of no end.
func TestChildrenThatLiveOn(t *testing.T) {
	p, err := start(t.Context(), `sleep 1000 & echo $!; read end; true`)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(p.Ready)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := unix.Kill(child, unix.SIGKILL); err != nil {
		t.Error(err)
	}
}

// The error says what the program said.
func TestEndsInstead(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		starts       bool
		want         []string
	}{
		{"before it is ready", `echo no perl here >&2; exit 3`, false, []string{"waiting for sh to be ready", "exit status 3", "no perl here"}},
		{"before it answers", `echo; read line; echo out of pids >&2; exit 4`, true, []string{"exit status 4", "out of pids"}},
		{"after its input", `echo; read line; echo done; cat; exit 5`, true, []string{"sh: exit status 5"}},
		{"control: as it should", `echo; read line; echo done; cat`, true, nil},
	} {
		p, err := start(t.Context(), tt.script)
		if (err == nil) != tt.starts {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if tt.starts {
			answer, askErr := p.Ask("fork")
			if answered := askErr == nil && answer == "done"; answered != strings.Contains(tt.script, "echo done") {
				t.Errorf("%s: answer %q, %v", tt.name, answer, askErr)
			}
			err = p.Close()
		}
		if (err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v", tt.name, err)
		}
		for _, want := range tt.want {
			if err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is not in: %v", tt.name, want, err)
			}
		}
	}
}

func TestCannotStart(t *testing.T) {
	if _, err := coproc.Start(t.Context(), (*exec.Cmd).Start, exec.Command("/nonexistent/parent")); err == nil || !strings.Contains(err.Error(), "starting parent") {
		t.Errorf("%v", err)
	}
}

// The end of the context ends a program that never answers, before and after it is ready.
func TestInterrupted(t *testing.T) {
	why := errors.New("interrupted")
	for _, ready := range []string{"", "echo; "} {
		ctx, cancel := context.WithCancelCause(t.Context())
		begun := func(cmd *exec.Cmd) error { // it runs when the context ends
			if ready == "" {
				defer cancel(why)
			}
			return cmd.Start()
		}
		p, err := coproc.Start(ctx, begun, exec.Command("sh", "-c", ready+"exec sleep 1000"))
		if ready == "" {
			if !errors.Is(err, why) {
				t.Errorf("%v, want %v", err, why)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		cancel(why)
		if _, err := p.Ask("fork"); err == nil {
			t.Error("one that was killed has answered")
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}
