package bench

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"zombench/bench/daemon"
	"zombench/measure"
)

func TestRefusal(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("too small a machine: ", err) // a guest
	}
	ended := func(status string) error {
		err := exec.Command("sh", "-c", "exit "+status).Run()
		return &daemon.ExitError{Err: err, Log: "zombied: dress uring: function not implemented"}
	}
	for _, tt := range []struct {
		err  error
		kind error
	}{
		{ended("3"), measure.ErrNotSupported},
		{ended("4"), measure.ErrNotPermitted},
		{ended("1"), nil},
		{errors.New("else"), nil},
	} {
		got := refusal(tt.err)
		if tt.kind == nil {
			if got != tt.err {
				t.Errorf("%v became %v", tt.err, got)
			}
			continue
		}
		if !errors.Is(got, tt.kind) || !strings.HasPrefix(got.Error(), "dress uring: function not implemented: ") {
			t.Errorf("%v became %v", tt.err, got)
		}
	}
}
