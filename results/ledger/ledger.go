// Package ledger accounts for every byte of a zombie: the slab caches that grow
// with an army, what each is for, and how the instruments that read the same
// memory in different ways agree.
//
// A number is understood only when its parts add up to it: objects to the charge
// of the cgroup, the charge to the pages that were taken, and what is left over is
// printed beside it. All figures are slopes over armies of several sizes, since a
// difference takes partly filled slabs for small zombies.
//
// In flow records with their raw readings, and what their file says of the kernel;
// out flow accounts. It does not measure: whoever has the file can draw up the
// ledger again.
package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"zombench/results"
	"zombench/results/shares"
	"zombench/results/stats"
)

// ErrTooLittle means that the trials do not carry a ledger.
var ErrTooLittle = errors.New("too little was measured for a ledger")

// New draws up the ledgers of all armies among the records, one for each system
// and way of raising. Those that could not be drawn up are named by the error, which
// wraps ErrTooLittle.
func New(records []results.Record) ([]*Ledger, error) {
	setups := stats.Setups(records)
	sites := Followed(setups)
	var all []*Ledger
	var errs []error
	for _, g := range stats.Groups(setups) {
		l, err := Of(g, sites)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, l)
	}
	if len(all)+len(errs) == 0 {
		return nil, fmt.Errorf("%w: no trials with zombies", ErrTooLittle)
	}
	return all, errors.Join(errs...)
}

// Of draws up the ledger of one group. Broken trials do not count, and are named.
// The sites are those of any system and way of raising.
func Of(g *stats.Group, sites []*results.Record) (*Ledger, error) {
	l := &Ledger{Labels: g.Labels, trials: stats.Trials(g.Armies...), controls: stats.Trials(g.Controls...)}
	l.Trials, l.Controls = len(l.trials), len(l.controls)
	for _, r := range stats.All(slices.Concat(g.Armies, g.Controls)...) {
		for _, why := range r.Warnings {
			l.Warnings = append(l.Warnings, newFlag(r, why))
		}
		if r.Broken != "" {
			l.Broken = append(l.Broken, newFlag(r, r.Broken))
		}
	}
	for _, r := range l.trials {
		l.Counts = stats.AddNew(l.Counts, r.N)
	}
	slices.Sort(l.Counts)
	if err := l.enough(); err != nil {
		return nil, err
	}
	facts := l.trials[0].Facts
	l.page, _ = strconv.ParseUint(g.Label("page-size"), 10, 64) // 0 if unknown
	l.Kernel = facts.Kernel
	l.addCaches(facts)
	l.addSites(g, sites)
	l.addWatchers()
	l.reconcile()
	return l, nil
}

// enough reports what a ledger lacks.
func (l *Ledger) enough() error {
	if len(l.Counts) < 2 {
		why := ""
		if len(l.Broken) > 0 {
			why = fmt.Sprintf("; %d trials are broken, such as %s: %s", len(l.Broken), l.Broken[0].Trial, l.Broken[0].Reason)
		}
		return fmt.Errorf("%w of spawn %s: only armies of %v were measured, and a slope needs two sizes%s", ErrTooLittle, l.Spawn(), l.Counts, why)
	}
	for _, r := range slices.Concat(l.trials, l.controls) {
		before, ok1 := r.Reading("before")
		after, ok2 := r.Reading("after")
		if !ok1 || !ok2 || len(r.Facts.Caches) == 0 || !r.Control && len(before.Caches)+len(after.Caches) == 0 {
			return fmt.Errorf("%w: %s has no readings of slab caches; as root, zombench run memory -o FILE makes a file that has", ErrTooLittle, r.File)
		}
	}
	return nil
}

// addCaches takes in by how much the caches grew that the file describes.
func (l *Ledger) addCaches(facts *results.Facts) {
	for _, described := range facts.Caches {
		c := Cache{Cache: described, Unaccounted: described.Charged == results.No, Use: uses(described, facts)}
		if c.PerSlab == 0 {
			continue
		}
		if len(c.Aliases) == 0 {
			c.Aliases = []string{c.Name}
		}
		c.Objects = l.slope(func(r *results.Record) float64 { objects, _ := grown(r, c.Name); return objects })
		c.Pages = l.slope(func(r *results.Record) float64 { _, slabs := grown(r, c.Name); return slabs * float64(c.SlabBytes) })
		if l.page > 0 {
			c.Order = int(math.Log2(float64(max(c.SlabBytes, l.page) / l.page)))
		}
		l.all = append(l.all, c)
	}
	l.split(nil)
}

// split says whose the objects are, and lists the caches that grew by more than
// noise or hold something of a zombie. traced is what each of them keeps by the
// trace of its allocations, nil if there is none.
func (l *Ledger) split(traced map[string]float64) {
	var growth []shares.Growth
	for _, c := range l.all {
		growth = append(growth, shares.Growth{Cache: c.Name, Aliases: c.Aliases, PerZombie: c.Objects.PerZombie, PerSlab: c.PerSlab, Size: c.Size,
			Reclaimable: c.Reclaimable, Uncharged: c.Unaccounted})
	}
	evidence := shares.Evidence{Traced: traced, Pointer: l.Kernel.PointerBytes}
	if charge := l.counter("kmem-B", 1); charge != nil {
		evidence.Charge = charge.PerZombie
	}
	whose := shares.Split(growth, evidence)
	l.Caches, l.Unlisted, l.Rest = nil, 0, Whose{}
	for _, c := range l.all {
		c.Share = whose[c.Name]
		switch {
		case c.Own > 0:
			c.Role = Retained
		case c.Vectors > 0:
			c.Role = Vectors
		case c.Watchers > 0.01:
			c.Role = Looked
		case !c.Objects.AboveNoise():
			l.Unlisted++
			l.Rest = l.Rest.plus(c)
			continue
		default:
			c.Role = Other
		}
		l.Caches = append(l.Caches, c)
	}
	slices.SortStableFunc(l.Caches, func(a, b Cache) int {
		return cmp.Or(cmp.Compare(rank(a.Role), rank(b.Role)), cmp.Compare(b.Whose().Sum(), a.Whose().Sum()))
	})
}
