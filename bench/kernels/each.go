package kernels

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"zombench/bench/vm"
)

// each calls do for every kernel, at most jobs of them at a time, in order. A
// kernel that fails does not stop the others; when ctx ends, those that have
// not begun fail with its cause. The error joins those of all kernels, of several
// with how many they are.
func each(ctx context.Context, kernels []vm.Kernel, jobs int, do func(context.Context, vm.Kernel) error) error {
	errs := make([]error, len(kernels))
	slots := make(chan struct{}, max(1, jobs))
	var all sync.WaitGroup
	for i, k := range kernels {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			errs[i] = context.Cause(ctx)
			break // the others have the same cause
		}
		all.Go(func() {
			defer func() { <-slots }()
			errs[i] = do(ctx, k)
		})
	}
	all.Wait()
	err := errors.Join(errs...)
	if failed := len(slices.DeleteFunc(errs, func(err error) bool { return err == nil })); failed > 0 && len(kernels) > 1 {
		return fmt.Errorf("%d of %d kernels failed:\n%w", failed, len(kernels), err)
	}
	return err
}
