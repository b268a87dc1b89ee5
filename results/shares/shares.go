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
//     many as files. Inodes of proc beyond those were made by looks, and as many
//     dentries and blobs.
//   - For each slab of charged objects memcg keeps an array of pointers, in a
//     general cache: as many as there are slabs, which is no whole number.
//   - Where the allocations of zombies were traced, that decides of the caches in
//     which there were any: not all frees can be traced, so that a trace may know
//     too little.
//   - Where others added so much that rounding may err, of the two whole numbers next
//     to the growth that one is right with which the objects make up the charge of
//     the zombies' cgroup, which others do not touch.
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
	PerSlab     uint64   // objects
	Size        uint64   // bytes of an object
	Reclaimable bool     // counted in SReclaimable
	Uncharged   bool     // known not to be charged to cgroups
}

// A Share is how many objects of a cache, for each zombie, are whose. The four
// add up to the growth.
type Share struct {
	Own      float64
	Vectors  float64 // memcg's arrays for slabs of the zombie's own objects
	Watchers float64 // and memcg's arrays for slabs of these
	Others   float64
}

// Evidence is what is known besides the growth.
type Evidence struct {
	Traced  map[string]float64 // objects of each zombie by the trace of its allocations, as far as there is one
	Charge  float64            // kernel memory charged to the zombies' cgroup, bytes a zombie; 0 if unknown
	Pointer uint64             // size of one in the kernel, in bytes
}

// Split returns the shares in each cache, by name.
func Split(growth []Growth, e Evidence) map[string]Share {
	about := known{whole: e.wholes(growth), traced: e.Traced}
	for _, g := range growth {
		switch {
		case g.named("filp"):
			about.files = whole(g.PerZombie)
		case g.named(procInode):
			about.inodes = max(g.PerZombie, 0)
		}
	}
	shares := make(map[string]Share, len(growth))
	own, looked := make(vectors), make(vectors)
	for _, g := range growth {
		if _, general := kmalloc(g.Cache); general {
			continue
		}
		s := g.split(about)
		shares[g.Cache] = s
		if !g.Uncharged && g.PerSlab > 0 {
			own[g.PerSlab*e.Pointer] += s.Own / float64(g.PerSlab)
		}
		if g.Reclaimable && g.PerSlab > 0 {
			looked[g.PerSlab*e.Pointer] += s.Watchers / float64(g.PerSlab)
		}
	}
	for _, g := range growth {
		size, general := kmalloc(g.Cache)
		if !general {
			continue
		}
		ours, theirs := own.in(size), looked.in(size)
		if ours+theirs == 0 || g.PerZombie < (ours+theirs)/2 {
			// Arrays may lie in the unused ends of the slabs (Linux 7.0).
			ours, theirs = 0, 0
		}
		g.PerZombie -= ours + theirs
		s := g.split(about)
		s.Vectors, s.Watchers = ours, s.Watchers+theirs
		shares[g.Cache] = s
	}
	return shares
}

// The caches of what a look makes.
const (
	procInode = "proc_inode_cache"
	dentry    = "dentry"
	inodeBlob = "lsm_inode_cache"
)

// Known is what is known of a zombie.
type known struct {
	files, inodes float64            // that are open; of proc, whoever made them
	whole         map[string]float64 // objects by the charge, where rounding does not tell
	traced        map[string]float64
}

// split divides a cache in which there are no vectors.
func (g Growth) split(about known) Share {
	s := Share{Own: whole(g.PerZombie)}
	if n, ok := about.whole[g.Cache]; ok {
		s.Own = n
	}
	if g.Reclaimable || g.named(inodeBlob) {
		s.Own = min(s.Own, about.files)
	}
	if n, ok := about.traced[g.Cache]; ok {
		s.Own = min(n, max(g.PerZombie, 0))
		if w := whole(n); math.Abs(w-g.PerZombie) < 0.5 {
			s.Own = w
		}
	}
	s.Others = g.PerZombie - s.Own
	if g.named(procInode) || g.named(dentry) || g.named(inodeBlob) {
		s.Watchers = min(max(s.Others, 0), about.inodes)
		s.Others -= s.Watchers
	}
	return s
}

// whole rounds to a whole number of objects, of which there are no fewer than
// none.
func whole(perZombie float64) float64 { return max(math.Round(perZombie), 0) }

// named reports whether a cache goes by a name.
func (g Growth) named(name string) bool {
	return g.Cache == name || slices.Contains(g.Aliases, name)
}
