package results

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
)

// perArmy is the number of zombies that answers speak of unless asked for others.
const perArmy = 1000

// A Summary is the answer that one group of trials gives: what zombies cost on
// one machine and kernel, raised in one way.
type Summary struct {
	Per       int        // zombies that the answer speaks of
	Config    []Param    // what the trials share: configuration, then name, without count and parallel
	Telling   []string   // the keys, besides those of the system, that tell it from others of the same system
	Estimates []Estimate // of every instrument that measures bytes, in the order of the file
	SlabUnit  string     // the one that speaks for kernel slab; "" if there is none
	Trials    int        // that count
	Controls  int        // that count
	Spawned   uint64     // zombies in the trials whose ends are known
	EndsKnown int        // trials whose ends are known
	Ends      Ends       // their sum

	// Reasons, in order of appearance, of trials and controls alike.
	Broken, Noisy                []Reason
	BrokenTrials, BrokenControls int
	NoisyTrials, NoisyControls   int

	parallels []string
}

// A Reason is why trials broke or are doubted, and how many.
type Reason struct {
	Text  string
	Count int
}

// Summaries gives one summary for each configuration and way of spawning, in
// the order in which the files show them.
func (s *Set) Summaries() []Summary {
	return summaries(Query{}, s.groups())
}

func summaries(q Query, grouping grouping) []Summary {
	all := make([]Summary, len(grouping.groups))
	var estimates sync.WaitGroup // they take most of a report's time
	for i, g := range grouping.groups {
		estimates.Go(func() { all[i] = g.summary() })
	}
	estimates.Wait()
	for i, g := range grouping.groups {
		var same []*group
		for _, other := range grouping.groups {
			if !slices.ContainsFunc(systemKeys, func(key string) bool { return g.label(key) != other.label(key) }) {
				same = append(same, other)
			}
		}
		s := &all[i]
		s.Per = q.per()
		if len(same) > 1 {
			s.Telling = slices.DeleteFunc(telling(same, grouping.varies), func(key string) bool { return slices.Contains(systemKeys, key) })
		}
	}
	return all
}

// systemKeys name the system that a sentence speaks of.
var systemKeys = []string{"goos", "kernel", "goarch"}

func (g *group) summary() Summary {
	var s Summary
	for _, l := range g.labels {
		s.Config = append(s.Config, Param(l))
	}
	n := 0
	for _, r := range g.rows {
		n += len(r.trials)
	}
	all := make([]Record, 0, n)
	for _, r := range g.rows {
		all = append(all, r.trials...)
		if !slices.Contains(s.parallels, r.parallel) {
			s.parallels = append(s.parallels, r.parallel)
		}
	}
	trials, controls := counting(all), counting(g.controls)
	s.Trials, s.Controls = len(trials), len(controls)
	s.BrokenTrials, s.BrokenControls = len(all)-len(trials), len(g.controls)-len(controls)
	note := func(rec Record) {
		switch {
		case rec.Broken != "":
			s.Broken = addReason(s.Broken, rec.Broken)
		case len(rec.Warnings) > 0:
			for _, text := range rec.Warnings {
				s.Noisy = addReason(s.Noisy, text)
			}
			if rec.Control {
				s.NoisyControls++
			} else {
				s.NoisyTrials++
			}
		}
	}
	for _, rec := range all {
		note(rec)
	}
	for _, rec := range g.controls {
		note(rec)
	}
	for _, t := range trials {
		if !t.Ends.Known {
			continue
		}
		s.EndsKnown++
		s.Spawned += uint64(t.N)
		s.Ends.Known = true
		s.Ends.Signals += t.Ends.Signals
		s.Ends.Exited += t.Ends.Exited
		s.Ends.Killed += t.Ends.Killed
		s.Ends.Dumped += t.Ends.Dumped
	}
	for _, unit := range unitsOf(trials) {
		if !isMemory(unit) {
			continue
		}
		if e, ok := estimate(unit, trials, controls); ok {
			s.Estimates = append(s.Estimates, e)
		}
	}
	s.SlabUnit = slabUnit(g.label("spawn"), func(unit string) bool { _, ok := s.Estimate(unit); return ok })
	return s
}

func addReason(reasons []Reason, text string) []Reason {
	for i := range reasons {
		if reasons[i].Text == text {
			reasons[i].Count++
			return reasons
		}
	}
	return append(reasons, Reason{text, 1})
}

// unitsOf lists the units of the trials in the order of first appearance.
func unitsOf(trials []Record) []string {
	var units []string
	seen := make(map[string]bool)
	for _, t := range trials {
		for _, v := range t.Values {
			if !seen[v.Unit] {
				seen[v.Unit] = true
				units = append(units, v.Unit)
			}
		}
	}
	return units
}

// Estimate returns the estimate of one instrument.
func (s Summary) Estimate(unit string) (Estimate, bool) {
	for _, e := range s.Estimates {
		if e.Unit == unit {
			return e, true
		}
	}
	return Estimate{}, false
}

// Param returns what the trials were measured under.
func (s Summary) Param(key string) string { return Lookup(s.Config, key) }

// Sentence is the answer in one sentence. A difference that does not stand out
// from the noise has no number in it.
func (s Summary) Sentence() string {
	if s.Trials == 0 {
		if s.BrokenTrials == 0 {
			return fmt.Sprintf("Nothing was measured%s: %s only.", s.where(), plural(s.Controls+s.BrokenControls, "control"))
		}
		return fmt.Sprintf("Nothing can be said%s: none of %s counts.", s.where(), plural(s.BrokenTrials, "trial"))
	}
	slab, hasSlab := s.Estimate(s.SlabUnit)
	charge, hasCharge := s.Estimate(UnitKmem)
	slabStands, chargeStands := hasSlab && slab.Stands(), hasCharge && charge.Stands()

	var b strings.Builder
	b.WriteString(plural(s.per(), "zombie"))
	hold := " hold"
	if s.per() == 1 {
		hold = " holds"
	}
	switch {
	case slabStands && s.slabHidden():
		fmt.Fprintf(&b, "%s at least %s of kernel memory%s, charged to %s cgroup; kernel slab grew by less, and does not show it all",
			hold, s.bytes(charge), s.where(), s.their())
	case slabStands && !hasCharge:
		fmt.Fprintf(&b, "%s about %s of kernel slab%s, as far as the whole system's slab shows it: what their cgroup was charged is not known", hold, s.bytes(slab), s.where())
	case slabStands:
		fmt.Fprintf(&b, "%s %s of kernel slab%s", hold, s.bytes(slab), s.where())
		if chargeStands {
			fmt.Fprintf(&b, ", %s charged to %s cgroup", s.bytes(charge), s.their())
		} else if hasCharge {
			fmt.Fprintf(&b, ", %s cgroup's charge is below the noise floor", s.their())
		}
	case chargeStands:
		fmt.Fprintf(&b, "%s %s of kernel memory charged to %s cgroup%s", hold, s.bytes(charge), s.their(), s.where())
		if hasSlab {
			b.WriteString(", kernel slab is below the noise floor")
		}
	case hasSlab || hasCharge:
		fmt.Fprintf(&b, "%s: kernel memory is below the noise floor", s.where())
	default:
		fmt.Fprintf(&b, "%s: kernel memory was not measured", s.where())
	}
	b.WriteString("; ")
	b.WriteString(s.endsClause())
	if 2*s.NoisyTrials > s.Trials {
		fmt.Fprintf(&b, "; %d of %s are flagged as noisy", s.NoisyTrials, plural(s.Trials, "trial"))
	}
	b.WriteString(".")
	return b.String()
}

// slabHidden tells that the estimate of kernel slab is no measure of what the
// zombies hold: what was charged to their cgroup lies in slabs, and slab grew by
// less. Then objects went into partly filled slabs that earlier activity had
// left, or something else gave slabs back meanwhile.
func (s Summary) slabHidden() bool {
	slab, hasSlab := s.Estimate(s.SlabUnit)
	charge, hasCharge := s.Estimate(UnitKmem)
	return hasSlab && hasCharge && charge.Stands() && slab.PerZombie < charge.PerZombie
}

func (s Summary) per() int {
	if s.Per == 0 {
		return perArmy
	}
	return s.Per
}

func (s Summary) their() string {
	if s.per() == 1 {
		return "its"
	}
	return "their"
}

func (s Summary) bytes(e Estimate) string { return bytesShort(float64(s.per()) * e.PerZombie) }

// where is " on Linux 6.18.44/amd64" and what else tells summaries apart.
func (s Summary) where() string {
	kernel, goos := s.Param("kernel"), s.Param("goos")
	if goos == "linux" || goos == "" {
		goos = "Linux"
	}
	if kernel == "" {
		kernel = "(kernel not recorded)"
	}
	where := " on " + goos + " " + kernel
	if arch := s.Param("goarch"); arch != "" {
		where += "/" + arch
	}
	var more []string
	for _, key := range s.Telling {
		value := s.Param(key)
		if value == "" {
			value = "none"
		}
		more = append(more, key+" "+value)
	}
	if len(more) > 0 {
		where += " (" + strings.Join(more, ", ") + ")"
	}
	return where
}

// endsClause says who was killed, from what was counted.
func (s Summary) endsClause() string {
	e := s.Ends
	if !e.Known {
		return "how the children ended was not recorded"
	}
	signals := plural(e.Signals, "signal") + " sent to children"
	ended := e.Exited + e.Killed + e.Dumped
	var ends string
	switch {
	case ended == 0:
		ends = "no child was seen to end"
	case e.Exited == s.Spawned && ended == s.Spawned:
		ends = "all exited by themselves"
	default:
		var parts []string
		if e.Killed > 0 {
			parts = append(parts, fmt.Sprintf("%d %s killed", e.Killed, was(e.Killed)))
		}
		if e.Dumped > 0 {
			parts = append(parts, fmt.Sprintf("%d %s killed and dumped core", e.Dumped, was(e.Dumped)))
		}
		parts = append(parts, fmt.Sprintf("%d of %d exited by themselves", e.Exited, s.Spawned))
		if ended < s.Spawned {
			parts = append(parts, fmt.Sprintf("%d %s not seen to end", s.Spawned-ended, was(s.Spawned-ended)))
		}
		ends = list(parts)
	}
	clause := signals + ", " + ends
	if s.EndsKnown < s.Trials {
		clause += fmt.Sprintf(" (known for %d of %s)", s.EndsKnown, plural(s.Trials, "trial"))
	}
	return clause
}

func was(n uint64) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

// Facts are the evidence for the sentence, a line each: the intervals and how
// they were had, the noise floor, what was left out and what is doubtful.
func (s Summary) Facts() []string {
	var facts []string
	add := func(format string, args ...any) { facts = append(facts, fmt.Sprintf(format, args...)) }
	if e, ok := s.Estimate(s.SlabUnit); ok {
		source := instrument(s.SlabUnit) + " of /proc/meminfo"
		if s.SlabUnit == UnitSUnreclaim {
			if spawn := s.Param("spawn"); spawn != "exec" && spawn != "clone" {
				source += ", which misses reclaimable dentries and inodes,"
			}
		}
		if s.slabHidden() && e.Stands() {
			charge, _ := s.Estimate(UnitKmem)
			largest := e.Counts[len(e.Counts)-1]
			add("kernel slab: not to be had from these trials: it grew by %.0f B a zombie, less than the %.0f B charged; "+
				"zombies went into partly filled slabs that earlier activity had left, or something gave slabs back; "+
				"remedy: larger armies (--count %d,%d,%d) on a quiet machine; %s",
				e.PerZombie, charge.PerZombie, 2*largest, 4*largest, 8*largest, e.how(source))
		} else {
			add("kernel slab: %s", e.fact(source, s.per()))
		}
	}
	if e, ok := s.Estimate(UnitKmem); ok {
		add("charged: %s", e.fact(instrument(UnitKmem), s.per()))
	} else if len(s.Estimates) > 0 {
		add("charged: not measured, so nothing tells how many zombies went into partly filled slabs that were there before; " +
			"slab alone may read half of the truth; zombench doctor says what enables the charge")
	}
	if s.Trials > 0 {
		var how []string
		if spawn := s.Param("spawn"); spawn != "" {
			how = append(how, "spawned by "+spawn)
		}
		if len(s.parallels) > 0 && s.parallels[0] != "" {
			how = append(how, list(s.parallels)+" at a time")
		}
		if len(how) > 0 {
			add("army: %s", strings.Join(how, ", "))
		}
	}
	if len(s.Estimates) > 0 {
		if floor := s.floorFact(); floor != "" {
			add("noise floor: %s", floor)
		} else {
			add("noise floor: unknown, there are no control trials")
		}
	}
	return append(facts, s.doubts()...)
}

// doubts are what was left out and what is flagged.
func (s Summary) doubts() []string {
	var doubts []string
	if n := s.BrokenTrials + s.BrokenControls; n > 0 {
		doubts = append(doubts, fmt.Sprintf("left out: %s: %s", what("broken", s.BrokenTrials, s.BrokenControls), reasons(s.Broken)))
	}
	if n := s.NoisyTrials + s.NoisyControls; n > 0 {
		doubts = append(doubts, fmt.Sprintf("flagged: %s, counted all the same: %s", what("noisy", s.NoisyTrials, s.NoisyControls), reasons(s.Noisy)))
	}
	return doubts
}

func what(adjective string, trials, controls int) string {
	var parts []string
	if trials > 0 {
		parts = append(parts, plural(trials, adjective+" trial"))
	}
	if controls > 0 {
		parts = append(parts, plural(controls, adjective+" control"))
	}
	return list(parts)
}

func reasons(all []Reason) string {
	var parts []string
	for _, r := range all {
		text := r.Text
		if r.Count > 1 {
			text = fmt.Sprintf("%s (%d times)", text, r.Count)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// instrument names what measures a unit.
func instrument(unit string) string {
	switch unit {
	case UnitSlab:
		return "Slab"
	case UnitSUnreclaim:
		return "SUnreclaim"
	case UnitKmem:
		return "the cgroup's kernel memory"
	}
	return unit
}

// how tells how the estimate was had.
func (e Estimate) how(source string) string {
	if e.OneCount {
		return fmt.Sprintf("median of the differences of %s at count %d, %s (one count only: not a slope)", source, e.Counts[0], plural(e.Trials, "trial"))
	}
	return fmt.Sprintf("Theil-Sen slope of %s over the counts %s, %s, intercept %s", source, list(e.Counts), plural(e.Trials, "trial"), bytesShort(e.Intercept))
}

// fact is the estimate for so many zombies with its interval, and how it was had.
func (e Estimate) fact(source string, zombies int) string {
	how := e.how(source)
	if !e.Stands() {
		switch {
		case e.PerZombie <= 0:
			return "below the noise floor: it did not grow; " + how
		case e.PerZombie*float64(e.Counts[len(e.Counts)-1]) <= e.Floor:
			return "below the noise floor: controls without zombies moved as much; " + how
		}
		return "below the noise floor: the 95 % interval holds zero; " + how
	}
	per := float64(zombies)
	interval := "no 95 % interval: too few trials"
	if !math.IsInf(e.Lo, 0) && !math.IsInf(e.Hi, 0) {
		q := newQuantity("B", per*e.PerZombie)
		interval = fmt.Sprintf("95 %% interval %s to %s", q.number(per*e.Lo), q.format(per*e.Hi))
	}
	return fmt.Sprintf("%s (%s), %.0f B a zombie; %s", bytesLong(per*e.PerZombie), interval, e.PerZombie, how)
}

func (s Summary) floorFact() string {
	var parts []string
	n := 0
	for _, unit := range []string{s.SlabUnit, UnitKmem} {
		if e, ok := s.Estimate(unit); ok && e.Floor >= 0 {
			parts = append(parts, fmt.Sprintf("%s of %s", bytesShort(e.Floor), instrument(unit)))
			n = max(n, e.Controls)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s, the most that %s without zombies moved", list(parts), plural(n, "control"))
}
