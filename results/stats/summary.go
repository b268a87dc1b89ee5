package stats

import (
	"slices"
	"strings"
	"sync"

	"zombench/results"
)

// A Summary is what the zombies of one group hold, by every instrument that
// measures bytes, and what became of its trials.
type Summary struct {
	*Group
	Instruments []Instrument // in the order of the file
	SlabUnit    string       // the one that speaks for kernel slab; "" if there is none
	Trials      int          // that count
	Controls    int          // that count
	Parallels   []string     // how many zombies were raised at a time
	Spawned     uint64       // zombies in the trials whose ends are known
	EndsKnown   int          // trials whose ends are known
	Ends        results.Ends // their sum

	// Reasons, in order of appearance, of trials and controls alike.
	Broken, Warnings             []Reason
	BrokenTrials, BrokenControls int
	WarnedTrials, WarnedControls int
}

// An Instrument is the estimate of one unit, as it stands in the file.
type Instrument struct {
	Unit string
	Estimate
}

// A Reason is why trials are broken or flagged, and how many.
type Reason struct {
	Text  string
	Count int
}

// Summarize summarizes groups, several at the same time: estimates take most of a
// report's time.
func Summarize(groups []*Group) []Summary {
	all := make([]Summary, len(groups))
	var done sync.WaitGroup
	for i, g := range groups {
		done.Go(func() { all[i] = g.summary() })
	}
	done.Wait()
	return all
}

func (g *Group) summary() Summary {
	trials, controls := Trials(g.Armies...), Trials(g.Controls...)
	brokenTrials, brokenControls := Broken(g.Armies...), Broken(g.Controls...)
	s := Summary{Group: g, Trials: len(trials), Controls: len(controls), BrokenTrials: len(brokenTrials), BrokenControls: len(brokenControls),
		WarnedTrials: Warned(trials), WarnedControls: Warned(controls)}
	var broken, warnings []string
	for _, r := range append(brokenTrials, brokenControls...) {
		broken = append(broken, r.Broken)
	}
	for _, r := range slices.Concat(trials, controls) {
		warnings = append(warnings, r.Warnings...)
	}
	s.Broken, s.Warnings = reasons(broken), reasons(warnings)
	for _, t := range trials {
		s.addEnds(t)
	}
	for _, a := range g.Armies {
		s.Parallels = AddNew(s.Parallels, a.First.Param("parallel"))
	}
	for _, unit := range Units(trials) {
		if !IsMemory(unit) {
			continue
		}
		if e, err := estimateOf(unit, trials, controls); err == nil {
			s.Instruments = append(s.Instruments, Instrument{unit, e})
		}
	}
	s.SlabUnit = slabUnit(g.Label("spawn"), func(unit string) bool { _, ok := s.Estimate(unit); return ok })
	return s
}

// Warned counts the trials with warnings.
func Warned(trials []*results.Record) (n int) {
	for _, r := range trials {
		n += min(1, len(r.Warnings))
	}
	return n
}

// reasons counts each reason.
func reasons(texts []string) (all []Reason) {
	for _, same := range Together(texts, func(text string) string { return text }) {
		all = append(all, Reason{same[0], len(same)})
	}
	return all
}

func (s *Summary) addEnds(r *results.Record) {
	if !r.Ends.Known {
		return
	}
	s.EndsKnown++
	s.Spawned += uint64(r.N)
	s.Ends.Known = true
	s.Ends.Signals += r.Ends.Signals
	s.Ends.Exited += r.Ends.Exited
	s.Ends.Killed += r.Ends.Killed
	s.Ends.Dumped += r.Ends.Dumped
}

// Estimate returns the estimate of one unit.
func (s Summary) Estimate(unit string) (Estimate, bool) {
	for _, i := range s.Instruments {
		if i.Unit == unit {
			return i.Estimate, true
		}
	}
	return Estimate{}, false
}

// Slab and Charge return what a zombie adds to kernel slab and to its cgroup's
// charge, nil if that was not measured.
func (s Summary) Slab() *Estimate   { return s.pointer(s.SlabUnit) }
func (s Summary) Charge() *Estimate { return s.pointer(results.UnitKmem) }

func (s Summary) pointer(unit string) *Estimate {
	if e, ok := s.Estimate(unit); ok {
		return &e
	}
	return nil
}

// SlabHidden reports whether the estimate of kernel slab is no measure of what the
// zombies hold: what was charged to their cgroup lies in slabs, and slab grew by
// less. Then objects went into partly filled slabs that earlier activity had
// left, or something else gave slabs back meanwhile.
func (s Summary) SlabHidden() bool {
	slab, charge := s.Slab(), s.Charge()
	return slab != nil && charge != nil && charge.AboveNoise() && slab.PerZombie < charge.PerZombie
}

// IsMemory reports whether a unit is bytes over zombies.
func IsMemory(unit string) bool {
	base, _, ok := results.PerZombies(unit)
	return ok && (base == "B" || strings.HasSuffix(base, "-B"))
}

// slabUnit chooses the instrument that speaks for kernel slab.
//
// SUnreclaim holds all that a plain zombie leaves behind (task_struct, signal
// and sighand, pid, cred, LSM blobs come from caches that are not marked
// reclaimable), and is free of the dentries and inodes that whoever looks into
// /proc meanwhile adds to Slab: it is far the calmer of the two. But a child
// started by os/exec also keeps a pidfd, whose inode and dentry come from caches
// that are: reclaimable by their mark, pinned in fact as long as the descriptor
// is open. There only Slab has all of it, and likewise for ways of spawning of
// which nothing is known here. The choice is made by the way of spawning and
// never by the numbers, or it would choose the answer.
func slabUnit(spawn string, has func(unit string) bool) string {
	units := []string{results.UnitSlab, results.UnitSUnreclaim}
	if Plain(spawn) {
		units = []string{results.UnitSUnreclaim, results.UnitSlab}
	}
	if i := slices.IndexFunc(units, has); i >= 0 {
		return units[i]
	}
	return ""
}

// Plain reports whether a way of spawning leaves nothing but the zombie.
func Plain(spawn string) bool { return spawn == "exec" || spawn == "clone" }
