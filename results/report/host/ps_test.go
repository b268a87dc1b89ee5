package host

import (
	"errors"
	"testing"

	"zombench/measure/procs"
)

func TestCheck(t *testing.T) {
	found := &procs.Result{Zombies: 12, Fresh: 2, Parents: []procs.Parent{{PID: 7, Command: "a|b\nc", Zombies: 12, Fresh: 2}}}
	for _, tt := range []struct {
		err                error
		warn, crit, status int
		line               string
	}{
		{nil, 11, 100, 0, "ZOMBIES OK - 10 zombies, 10 of them of 7 (a/b c) | zombies=10;11;100;0"},
		{nil, 10, 11, 1, "ZOMBIES WARNING - 10 zombies, 10 of them of 7 (a/b c) | zombies=10;10;11;0"},
		{nil, 0, 10, 2, "ZOMBIES CRITICAL - 10 zombies, 10 of them of 7 (a/b c) | zombies=10;;10;0"},
		{errors.New("no\nway"), 1, 0, 3, "ZOMBIES UNKNOWN - no way"},
	} {
		if line, status := Check(found, tt.err, tt.warn, tt.crit); line != tt.line || status != tt.status {
			t.Errorf("%d, %q", status, line)
		}
	}
}
