// Package shares says whose slab objects they are that came about while zombies
// were created: the zombies' own, those of processes that looked at the zombies,
// or somebody else's. In flows how much each slab cache grew, for each zombie;
// out flows the part of each in it.
//
// /proc/slabinfo counts the whole system, and on most hosts something reads /proc
// every few seconds: each look at /proc/PID leaves a dentry, an inode and, where
// security modules keep one, a blob for the inode (fs/proc/base.c,
// proc_pid_make_inode), charged to the cgroup of whoever looks. The zombies' own
// objects are told apart by what is known of them:
//
//   - All zombies of one kind hold the same, so an own object is one of a whole
//     number for each zombie, and what others add drops out in rounding.
//   - A zombie holds dentries and inodes only for files that are still open, as
//     many as files. Whatever is reclaimable beyond those was made by a look.
//   - Where the allocations of zombies were traced, that decides.
package shares

import (
	"math"
	"slices"
)

// A Growth is by how much a slab cache grew.
type Growth struct {
	Cache       string   // under which /proc/slabinfo lists it
	Aliases     []string // of a merged cache; nil if unknown
	PerZombie   float64  // objects
	Reclaimable bool     // counted in SReclaimable
}

// A Share is how many objects of a cache, for each zombie, are whose. The three
// add up to the growth.
type Share struct {
	Own      float64
	Watchers float64
	Others   float64
}

// Split returns the shares in each cache, by name. traced is how many objects
// each zombie keeps by the trace of its allocations, nil if there is none.
func Split(growth []Growth, traced map[string]float64) map[string]Share {
	files := 0.0
	for _, g := range growth {
		if g.named("filp") {
			files = whole(g.PerZombie)
		}
	}
	shares := make(map[string]Share, len(growth))
	for _, g := range growth {
		s := Share{Own: whole(g.PerZombie)}
		looks := g.Reclaimable || g.named("lsm_inode_cache")
		if looks {
			s.Own = min(s.Own, files)
		}
		if traced != nil {
			s.Own = min(traced[g.Cache], max(g.PerZombie, 0))
			if w := whole(traced[g.Cache]); math.Abs(w-g.PerZombie) < 0.5 {
				s.Own = w
			}
		}
		if rest := g.PerZombie - s.Own; looks && rest > 0 {
			s.Watchers = rest
		} else {
			s.Others = rest
		}
		shares[g.Cache] = s
	}
	return shares
}

// whole rounds to a whole number of objects, of which there are no fewer than
// none.
func whole(perZombie float64) float64 { return max(math.Round(perZombie), 0) }

// named reports whether a cache goes by a name.
func (g Growth) named(name string) bool {
	return g.Cache == name || slices.Contains(g.Aliases, name)
}
