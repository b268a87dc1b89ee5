package kernels

import (
	"context"
	"fmt"
	"sync"

	"zombench/bench/vm"
)

// fetchAhead is how many kernels are fetched at once: apt reads its lists anew for
// each download, which takes it seconds.
const fetchAhead = 8

// A supply brings the kernels of a fleet here shortly before they are booted.
type supply struct {
	fetch  func(context.Context, []vm.Kernel) ([]vm.Kernel, error)
	mu     sync.Mutex  // one download at a time
	wanted []vm.Kernel // that are not here and were not tried, in the order in which they are booted
	here   map[string]vm.Kernel
	errs   map[string]error
}

func newSupply(kernels []vm.Kernel, fetch func(context.Context, []vm.Kernel) ([]vm.Kernel, error)) *supply {
	s := &supply{fetch: fetch, here: make(map[string]vm.Kernel), errs: make(map[string]error)}
	for _, k := range kernels {
		if k.Path == "" {
			s.wanted = append(s.wanted, k)
		}
	}
	return s
}

// get returns a kernel that is here, having fetched it and the next ones if need
// be.
func (s *supply) get(ctx context.Context, k vm.Kernel) (vm.Kernel, error) {
	if k.Path != "" {
		return k, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.here[k.Name].Path == "" && s.errs[k.Name] == nil {
		next := s.wanted[:min(fetchAhead, len(s.wanted))]
		s.wanted = s.wanted[len(next):]
		err := s.bring(ctx, next)
		for _, n := range next {
			if s.here[n.Name].Path == "" {
				s.errs[n.Name] = fmt.Errorf("%s could not be fetched: %w", n.Name, err)
			}
		}
	}
	return s.here[k.Name], s.errs[k.Name]
}

// bring fetches some kernels.
func (s *supply) bring(ctx context.Context, kernels []vm.Kernel) error {
	got, err := s.fetch(ctx, kernels)
	for _, k := range got {
		s.here[k.Name] = k
	}
	return err
}
