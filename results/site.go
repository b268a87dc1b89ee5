package results

import (
	"fmt"
	"slices"
)

// A CallSite is one place in the kernel that allocates what a zombie keeps. In
// a file it is a comment of the form
//
//	# site copy_process: caches=task_struct requested=5888 allocated=5888 accounted=yes objects=16
type CallSite struct {
	Function  string   // that called the allocator
	Caches    []string // the slab cache; several if only the sizes tell, and fit several
	Requested uint64   // bytes of an object that were asked for
	Allocated uint64   // bytes that it takes
	Accounted Tristate // whether it is charged to the cgroup
	Objects   uint64   // of all zombies of the trial
}

func (s *CallSite) form() (*string, []field) {
	return &s.Function, []field{nameList("caches", &s.Caches), count("requested", &s.Requested), count("allocated", &s.Allocated),
		tristate("accounted", &s.Accounted, "yes", "no", "unknown"), count("objects", &s.Objects)}
}

func (s *CallSite) check() error {
	if s.Function == "" || len(s.Caches) == 0 || slices.Contains(s.Caches, "") || !s.Accounted.valid() {
		return fmt.Errorf("want a function, its caches, and accounted as yes, no or unknown, not %+v", *s)
	}
	return nil
}
