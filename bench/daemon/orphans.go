package daemon

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"zombench/bench/wait"
)

// BecomeSubreaper makes this process the one to which the orphans of its
// descendants come, instead of pid 1 (PR_SET_CHILD_SUBREAPER, prctl(2), Linux
// 3.4): zombies of a daemon that died are ours to collect.
func BecomeSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("becoming a child subreaper: %w", err)
	}
	return nil
}

// CollectOrphans collects dead children that this process did not start
// itself, and returns how many there were. The pids in own are os/exec's to
// wait for: they are left alone. When no dead child is left it looks again as
// long as more says that living ones will follow, until ctx ends.
func CollectOrphans(ctx context.Context, own map[int]bool, more func() bool) (int, error) {
	collected := 0
	for {
		// Peek first: a wait for any child would steal the status for which
		// an os/exec Wait is waiting.
		dead, err := wait.ID(unix.P_ALL, 0, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT)
		switch {
		case err == unix.ECHILD:
			return collected, nil
		case err != nil:
			return collected, fmt.Errorf("looking for orphans: %w", err)
		}
		if dead.PID != 0 && !own[dead.PID] {
			if _, err := wait.ID(unix.P_PID, dead.PID, unix.WEXITED); err != nil {
				return collected, fmt.Errorf("collecting orphan %d: %w", dead.PID, err)
			}
			collected++
			continue
		}
		if dead.PID == 0 && !more() {
			return collected, nil
		}
		// Either living ones will follow, or one of our own is dead: it is
		// about to be waited for elsewhere and hides the ones behind it
		// until then.
		if err := wait.Sleep(ctx, time.Millisecond); err != nil {
			return collected, err
		}
	}
}
