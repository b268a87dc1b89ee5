package ledger

import (
	"fmt"
	"slices"

	"zombench/results"
	"zombench/results/shares"
	"zombench/results/stats"
)

// A Role says why a cache grew.
type Role string

const (
	// Retained objects belong to the zombies.
	Retained Role = "retained"
	// Vectors are memcg's: for each slab of accounted objects an array with a
	// pointer to the obj_cgroup of each of them (mm/slub.c, alloc_slab_obj_exts;
	// Linux 5.9).
	Vectors Role = "vectors"
	// Looked is what others made by looking at the zombies below /proc.
	Looked Role = "watchers"
	// Other is what is somebody else's.
	Other Role = "other"
)

// A Cache is one slab cache that grew with the armies.
type Cache struct {
	results.Cache
	shares.Share                // whose objects grew, a zombie
	Role         Role           // of those that are a zombie's, if there are any
	Use          []Use          // what it is known to hold for a zombie; empty if nothing is known
	Objects      stats.Estimate // objects that grew, whoever's they are
	Pages        stats.Estimate // bytes of the slabs of all of these
	Order        int            // a slab is 2^Order pages
	Unaccounted  bool           // known not to be charged to the cgroup
	// UnaccountedObjects are those of a zombie that are not charged although others are.
	UnaccountedObjects float64
}

// Held returns how many objects one zombie holds.
func (c Cache) Held() float64 { return c.Own + c.Vectors }

// Bytes returns what these take, padded.
func (c Cache) Bytes() float64 { return c.Held() * float64(c.Size) }

// Accounted returns how many objects of one zombie are charged to its cgroup.
func (c Cache) Accounted() float64 {
	if c.Unaccounted {
		return 0
	}
	return c.Own - c.UnaccountedObjects
}

// AccountedBytes returns what these take, padded.
func (c Cache) AccountedBytes() float64 { return c.Accounted() * float64(c.Size) }

// ownBytes is Bytes without memcg's vectors.
func (c Cache) ownBytes() float64 { return c.Own * float64(c.Size) }

// Packed returns the pages, in bytes, that one zombie's objects take.
func (c Cache) Packed() float64 { return c.packed(c.Held()) }

// packed returns what objects take when slabs are full: the slab's rest is lost.
func (c Cache) packed(objects float64) float64 {
	return objects / float64(c.PerSlab) * float64(c.SlabBytes)
}

// A Whose is whose slab objects grew, in bytes a zombie. The three add up to what
// grew.
type Whose struct{ Zombies, Watchers, Others float64 }

// Sum returns what grew.
func (w Whose) Sum() float64 { return w.Zombies + w.Watchers + w.Others }

func (w Whose) plus(c Cache) Whose {
	size := float64(c.Size)
	return Whose{w.Zombies + c.Bytes(), w.Watchers + c.Watchers*size, w.Others + c.Others*size}
}

// Whose returns whose objects of this cache grew.
func (c Cache) Whose() Whose { return Whose{}.plus(c) }

// A Use is what the kernel keeps in a cache for a zombie.
type Use struct {
	Cache  string `json:"cache"`            // one of the cache's names
	What   string `json:"what"`             // in a few words
	Struct string `json:"struct,omitempty"` // its C type; "" if it is no struct
	Size   uint64 `json:"size,omitempty"`   // sizeof that, in bytes; 0 if unknown
}

// A Flag is what is said against one trial.
type Flag struct {
	Trial  string `json:"trial"` // count=500, or control
	Reason string `json:"reason"`
}

func newFlag(r *results.Record, reason string) Flag {
	if r.Control {
		return Flag{"control", reason}
	}
	return Flag{fmt.Sprintf("count=%d", r.N), reason}
}

// A Ledger is the account of the zombies of one system that were raised in one
// way.
type Ledger struct {
	Labels   []results.Param // of the system, and of the way of raising
	Counts   []int           // sizes of the armies, ascending
	Trials   int             // that count
	Controls int             // that count
	Broken   []Flag          // trials that do not count
	Warnings []Flag          // of trials that count
	Caches   []Cache         // most bytes first
	Unlisted int             // caches that moved by no more than noise
	Rest     Whose           // in these
	Steps    []Step
	Sites    []results.CallSite // who allocated what, most bytes first; empty if nobody was followed
	Kernel   results.Kernel     // what the files say of it
	Followed int                // zombies whose allocations the sites are of
	Watchers []Watcher          // who looked, most bytes first
	Traced   int                // zombies of the trials that found that out; 0: none did

	trials, controls []*results.Record
	all              []Cache // that the file describes
	page             uint64  // bytes
}

// Whose returns whose objects grew in all caches.
func (l *Ledger) Whose() Whose {
	sum := l.Rest
	for _, c := range l.Caches {
		sum = sum.plus(c)
	}
	return sum
}

// Spawn is the way in which the zombies were raised.
func (l *Ledger) Spawn() string {
	spawn := results.Lookup(l.Labels, "spawn")
	if dress := results.Lookup(l.Labels, "dress"); dress != "" {
		spawn += ", dress " + dress
	}
	return spawn
}

// Retained returns the names of the caches that hold objects of the zombies.
func (l *Ledger) Retained() []string {
	var names []string
	for _, c := range l.Caches {
		if c.Role == Retained {
			names = append(names, c.Name)
		}
	}
	return names
}

// slope estimates what a zombie adds to the change that a trial shows.
func (l *Ledger) slope(change func(*results.Record) float64) stats.Estimate {
	var counts, added, moved []float64
	for _, r := range l.trials {
		counts, added = append(counts, float64(r.N)), append(added, change(r))
	}
	for _, r := range l.controls {
		moved = append(moved, change(r))
	}
	// It fails on numbers that are none, and differences of counters are some.
	e, _ := stats.NewEstimate(counts, added, moved)
	return e
}

// counter estimates what a zombie adds to a counter, times sign; nil if a trial
// lacks it.
func (l *Ledger) counter(name string, sign float64) *stats.Estimate {
	return l.counterLess(name, sign, func(*results.Record) float64 { return 0 })
}

// counterLess is counter less something that is known of each trial.
func (l *Ledger) counterLess(name string, sign float64, less func(*results.Record) float64) *stats.Estimate {
	missing := false
	e := l.slope(func(r *results.Record) float64 {
		before, _ := r.Reading("before")
		after, _ := r.Reading("after")
		was, ok1 := before.Counter(name)
		is, ok2 := after.Counter(name)
		missing = missing || !ok1 || !ok2
		return sign*difference(was, is) - less(r)
	})
	if missing {
		return nil
	}
	return &e
}

// difference of two readings of a counter, which may go down.
func difference(before, after uint64) float64 { return float64(int64(after - before)) }

// grown returns by how many objects and slabs a cache grew in a trial. One that
// is absent has not moved.
func grown(r *results.Record, name string) (objects, slabs float64) {
	before, _ := r.Reading("before")
	after, _ := r.Reading("after")
	was, _ := before.Cache(name)
	is, _ := after.Cache(name)
	return difference(was.Objects, is.Objects), difference(was.Slabs, is.Slabs)
}

func rank(r Role) int { return slices.Index([]Role{Retained, Vectors, Looked, Other}, r) }
