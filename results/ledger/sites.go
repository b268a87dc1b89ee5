package ledger

import (
	"cmp"
	"slices"

	"zombench/results"
	"zombench/results/stats"
)

// Followed returns the trials that followed who allocates what zombies keep.
func Followed(setups []*stats.Setup) []*results.Record {
	return slices.DeleteFunc(slices.Clone(stats.Trials(setups...)), func(r *results.Record) bool { return len(r.Sites) == 0 })
}

// addSites takes in the latest sites of the same system and way of raising, and
// what they tell of caches whose objects are not charged to the cgroup.
func (l *Ledger) addSites(g *stats.Group, all []*results.Record) {
	for _, r := range all {
		if r.Param("spawn") != g.Label("spawn") || r.Param("dress") != g.Label("dress") || stats.KeyOf(r.Config) != stats.KeyOf(l.trials[0].Config) {
			continue
		}
		l.Followed, l.Sites = r.N, narrow(r.Sites, l.Retained())
	}
	slices.SortStableFunc(l.Sites, func(a, b results.CallSite) int {
		return cmp.Compare(b.Allocated*b.Objects, a.Allocated*a.Objects)
	})
	for _, name := range unaccounted(l.Sites) {
		for i := range l.all {
			l.all[i].Unaccounted = l.all[i].Unaccounted || l.all[i].Name == name
		}
	}
	if len(l.Sites) > 0 {
		l.split(l.traced())
	}
}

// traced returns how many objects of each cache a zombie keeps by the call sites;
// nil if they do not tell of which cache an object is.
func (l *Ledger) traced() map[string]float64 {
	objects := make(map[string]float64)
	for _, s := range l.Sites {
		if len(s.Caches) != 1 {
			return nil
		}
		objects[s.Caches[0]] += float64(s.Objects) / float64(l.Followed)
	}
	return objects
}

// narrow rules out caches that a site may be of if others are among those that
// are known to grow with the zombies.
func narrow(sites []results.CallSite, grow []string) []results.CallSite {
	sites = slices.Clone(sites)
	for i, s := range sites {
		likely := slices.DeleteFunc(slices.Clone(s.Caches), func(c string) bool { return !slices.Contains(grow, c) })
		if len(likely) > 0 {
			sites[i].Caches = likely
		}
	}
	return sites
}

// unaccounted returns the caches all of whose objects are known not to be
// charged to the cgroup.
func unaccounted(sites []results.CallSite) []string {
	var names []string
	charged := make(map[string]bool)
	for _, s := range sites {
		for _, c := range s.Caches {
			charged[c] = charged[c] || s.Accounted != results.No
			names = stats.AddNew(names, c)
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return charged[name] })
}
