package kernels

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"zombench/bench/vm"
)

func TestEach(t *testing.T) {
	kernels := make([]vm.Kernel, 10)
	for i := range kernels {
		kernels[i].Name = fmt.Sprint("k", i)
	}
	broken := errors.New("broken")
	var mu sync.Mutex
	var now, most int
	done := make(map[string]bool)
	err := each(t.Context(), kernels, 3, func(ctx context.Context, k vm.Kernel) error {
		mu.Lock()
		now++
		most = max(most, now)
		done[k.Name] = true
		mu.Unlock()
		defer func() { mu.Lock(); now--; mu.Unlock() }()
		if k.Name == "k2" || k.Name == "k5" {
			return fmt.Errorf("%s: %w", k.Name, broken)
		}
		return nil
	})
	if !errors.Is(err, broken) || strings.Count(err.Error(), "broken") != 2 {
		t.Errorf("got %v, want the two failures", err)
	}
	if len(done) != 10 || most > 3 || now != 0 {
		t.Errorf("%d done, at most %d at a time, %d running", len(done), most, now)
	}
}

func TestEachCanceled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stopped")
	calls := 0
	err := each(ctx, make([]vm.Kernel, 10), 1, func(context.Context, vm.Kernel) error {
		calls++
		cancel(stop)
		return nil
	})
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("%d calls, error %v", calls, err)
	}
}
