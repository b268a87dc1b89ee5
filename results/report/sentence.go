package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"zombench/results"
	"zombench/results/stats"
)

// A Summary is the answer that one group of trials gives: what zombies cost on
// one machine and kernel, raised in one way.
type Summary struct {
	stats.Summary
	Per  int      // zombies that the answer speaks of
	Keys []string // of the labels, what tells it from the other summaries
}

func (q Query) summaries(groups []*stats.Group) []Summary {
	keys := stats.Distinguishing(groups, func(g *stats.Group) []results.Param { return g.Labels })
	var all []Summary
	for _, s := range stats.Summarize(groups) {
		all = append(all, Summary{s, q.per(), keys})
	}
	return all
}

// systemOf is how sentences name a system: Linux 6.18.44/amd64.
func systemOf(labels []results.Param) string {
	goos := results.Lookup(labels, "goos")
	if goos == "linux" || goos == "" {
		goos = "Linux"
	}
	system := goos + " " + cmp.Or(results.Lookup(labels, "kernel"), "(kernel not recorded)")
	if arch := results.Lookup(labels, "goarch"); arch != "" {
		system += "/" + arch
	}
	return system
}

// System is the system, and what else tells summaries apart.
func (s Summary) System() string {
	var more []string
	for _, key := range s.Keys {
		if key != "goos" && key != "kernel" && key != "goarch" {
			more = append(more, key+" "+cmp.Or(s.Label(key), "none"))
		}
	}
	if len(more) == 0 {
		return systemOf(s.Labels)
	}
	return systemOf(s.Labels) + " (" + strings.Join(more, ", ") + ")"
}

// values are those of the keys.
func (s Summary) values() []string { return results.LookupAll(s.Labels, s.Keys) }

// name names the summary in figures. Debian's kernels have the architecture in
// their names.
func (s Summary) name() string {
	var parts []string
	for _, key := range s.Keys {
		if v := s.Label(key); v != "" && key != "goos" && (key != "goarch" || !strings.HasSuffix(s.Label("kernel"), "-"+v)) {
			parts = append(parts, v)
		}
	}
	if !slices.Contains(s.Keys, "kernel") {
		parts = append([]string{cmp.Or(s.Label("kernel"), "kernel not recorded")}, parts...)
	}
	return results.Printable(strings.Join(parts, " "))
}

// Sentence is the answer in one sentence. A difference that is not above the
// noise has no number in it.
func (s Summary) Sentence() string {
	if s.Trials == 0 {
		if s.BrokenTrials == 0 {
			return fmt.Sprintf("Nothing was measured on %s: %s only.", s.System(), Plural(s.Controls+s.BrokenControls, "control"))
		}
		return fmt.Sprintf("No result for %s: all of %s are broken.", s.System(), Plural(s.BrokenTrials, "trial"))
	}
	parts := []string{s.memoryClause(), s.endsClause()}
	if 2*s.WarnedTrials > s.Trials {
		have := "have"
		if s.WarnedTrials == 1 {
			have = "has"
		}
		parts = append(parts, fmt.Sprintf("%d of %s %s warnings", s.WarnedTrials, Plural(s.Trials, "trial"), have))
	}
	return strings.Join(parts, "; ") + "."
}

// memoryClause says what the zombies hold, by the instruments that are above the
// noise.
func (s Summary) memoryClause() string {
	subject, their := Plural(s.Per, "zombie")+" hold", "their"
	if s.Per == 1 {
		subject, their = "1 zombie holds", "its"
	}
	where := " on " + s.System()
	slab, charge := s.Slab(), s.Charge()
	slabSeen, chargeSeen := slab != nil && slab.AboveNoise(), charge != nil && charge.AboveNoise()
	switch {
	case slabSeen && s.SlabHidden():
		return fmt.Sprintf("%s at least %s of kernel memory%s, charged to %s cgroup; kernel slab grew by less, and does not show it all",
			subject, s.bytes(*charge), where, their)
	case slabSeen && charge == nil:
		return fmt.Sprintf("%s about %s of kernel slab%s, as far as the whole system's slab shows it: what %s cgroup was charged is not known",
			subject, s.bytes(*slab), where, their)
	case slabSeen && chargeSeen:
		return fmt.Sprintf("%s %s of kernel slab%s, %s charged to %s cgroup", subject, s.bytes(*slab), where, s.bytes(*charge), their)
	case slabSeen:
		return fmt.Sprintf("%s %s of kernel slab%s, %s cgroup's charge is below the noise floor", subject, s.bytes(*slab), where, their)
	case chargeSeen && slab != nil:
		return fmt.Sprintf("%s %s of kernel memory charged to %s cgroup%s, kernel slab is below the noise floor", subject, s.bytes(*charge), their, where)
	case chargeSeen:
		return fmt.Sprintf("%s %s of kernel memory charged to %s cgroup%s", subject, s.bytes(*charge), their, where)
	case slab != nil || charge != nil:
		return fmt.Sprintf("%s%s: kernel memory is below the noise floor", Plural(s.Per, "zombie"), where)
	}
	return fmt.Sprintf("%s%s: kernel memory was not measured", Plural(s.Per, "zombie"), where)
}

func (s Summary) bytes(e stats.Estimate) string { return bytesShort(float64(s.Per) * e.PerZombie) }

// endsClause says who was killed, from what was counted.
func (s Summary) endsClause() string {
	e := s.Ends
	if !e.Known {
		return "how the children ended was not recorded"
	}
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
			parts = append(parts, were(e.Killed)+" killed")
		}
		if e.Dumped > 0 {
			parts = append(parts, were(e.Dumped)+" killed and dumped core")
		}
		parts = append(parts, fmt.Sprintf("%d of %d exited by themselves", e.Exited, s.Spawned))
		if ended < s.Spawned {
			parts = append(parts, were(s.Spawned-ended)+" not seen to end")
		}
		ends = list(parts)
	}
	clause := Plural(e.Signals, "signal") + " sent to children, " + ends
	if s.EndsKnown < s.Trials {
		clause += fmt.Sprintf(" (known for %d of %s)", s.EndsKnown, Plural(s.Trials, "trial"))
	}
	return clause
}

func were(n uint64) string {
	if n == 1 {
		return "1 was"
	}
	return fmt.Sprintf("%d were", n)
}

// Facts are the evidence for the sentence, a line each: the intervals and where
// they come from, the noise floor, what does not count and what is flagged.
func (s Summary) Facts() []string {
	var facts []string
	add := func(format string, args ...any) { facts = append(facts, fmt.Sprintf(format, args...)) }
	slab, charge := s.Slab(), s.Charge()
	switch {
	case slab == nil:
	case s.SlabHidden() && slab.AboveNoise():
		largest := slab.Counts[len(slab.Counts)-1]
		add("kernel slab: cannot be estimated from these trials: it grew by %.0f B a zombie, less than the %.0f B charged; "+
			"zombies went into partly filled slabs that earlier activity had left, or something gave slabs back; "+
			"remedy: larger armies (--count %d,%d,%d) on a quiet machine; %s",
			slab.PerZombie, charge.PerZombie, 2*largest, 4*largest, 8*largest, method(*slab, s.slabSource()))
	default:
		add("kernel slab: %s", s.fact(*slab, s.slabSource()))
	}
	switch {
	case charge != nil:
		add("charged: %s", s.fact(*charge, instrument(results.UnitKmem)))
	case len(s.Instruments) > 0:
		add("charged: not measured; slab alone misses zombies that went into partly filled slabs, and may show half of the memory; " +
			"zombench doctor shows how to enable it")
	}
	if how := s.army(); how != "" {
		add("army: %s", how)
	}
	if len(s.Instruments) > 0 {
		add("noise floor: %s", cmp.Or(s.floor(), "unknown, there are no control trials"))
	}
	return append(facts, s.flagFacts()...)
}

func (s Summary) slabSource() string {
	source := instrument(s.SlabUnit) + " of /proc/meminfo"
	if s.SlabUnit == results.UnitSUnreclaim && !stats.Plain(s.Label("spawn")) {
		source += ", which misses reclaimable dentries and inodes,"
	}
	return source
}

// army says how the zombies were raised.
func (s Summary) army() string {
	if s.Trials == 0 {
		return ""
	}
	var how []string
	if spawn := s.Label("spawn"); spawn != "" {
		how = append(how, "spawned by "+spawn)
	}
	if len(s.Parallels) > 0 && s.Parallels[0] != "" {
		how = append(how, list(s.Parallels)+" at a time")
	}
	return strings.Join(how, ", ")
}

// flagFacts say what does not count, and what is flagged.
func (s Summary) flagFacts() []string {
	var facts []string
	if n := s.BrokenTrials + s.BrokenControls; n > 0 {
		facts = append(facts, fmt.Sprintf("excluded: %s: %s", trialsAndControls(s.BrokenTrials, s.BrokenControls, "broken "), reasons(s.Broken)))
	}
	if n := s.WarnedTrials + s.WarnedControls; n > 0 {
		facts = append(facts, fmt.Sprintf("flagged, but counted: %s: %s", trialsAndControls(s.WarnedTrials, s.WarnedControls, ""), reasons(s.Warnings)))
	}
	return facts
}

func trialsAndControls(trials, controls int, adjective string) string {
	var parts []string
	if trials > 0 {
		parts = append(parts, Plural(trials, adjective+"trial"))
	}
	if controls > 0 {
		parts = append(parts, Plural(controls, adjective+"control"))
	}
	return list(parts)
}

// reasonsShown is how many reasons a sentence gives: on a busy machine each trial has
// several.
const reasonsShown = 3

// reasons gives the most frequent reasons.
func reasons(all []stats.Reason) string {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b stats.Reason) int { return cmp.Compare(b.Count, a.Count) })
	rest := 0
	if len(all) > reasonsShown+1 {
		all, rest = all[:reasonsShown], len(all)-reasonsShown
	}
	var parts []string
	for _, r := range all {
		text := r.Text
		if r.Count > 1 {
			text = fmt.Sprintf("%s (%d times)", text, r.Count)
		}
		parts = append(parts, text)
	}
	if rest > 0 {
		parts = append(parts, fmt.Sprintf("%d more, listed in the result file", rest))
	}
	return strings.Join(parts, "; ")
}

// instrument names what measures a unit.
func instrument(unit string) string {
	switch unit {
	case results.UnitSlab:
		return "Slab"
	case results.UnitSUnreclaim:
		return "SUnreclaim"
	case results.UnitKmem:
		return "the cgroup's kernel memory"
	}
	return unit
}

// method says how an estimate was made.
func method(e stats.Estimate, source string) string {
	if e.OneCount {
		return fmt.Sprintf("median of the differences of %s at count %d, %s (one count only: not a slope)", source, e.Counts[0], Plural(e.Trials, "trial"))
	}
	return fmt.Sprintf("Theil-Sen slope of %s over the counts %s, %s, intercept %s", source, list(e.Counts), Plural(e.Trials, "trial"), bytesShort(e.Intercept))
}

// fact is the estimate for so many zombies with its interval, and how it was made.
func (s Summary) fact(e stats.Estimate, source string) string {
	how := method(e, source)
	if !e.AboveNoise() {
		switch {
		case e.PerZombie <= 0:
			return "below the noise floor: it did not grow; " + how
		case e.PerZombie*float64(e.Counts[len(e.Counts)-1]) <= e.Floor:
			return "below the noise floor: controls without zombies moved as much; " + how
		}
		return "below the noise floor: the 95 % interval includes zero; " + how
	}
	per := float64(s.Per)
	interval := "no 95 % interval: too few trials"
	if !math.IsInf(e.Lo, 0) && !math.IsInf(e.Hi, 0) {
		q := stats.NewQuantity("B", per*e.PerZombie)
		interval = fmt.Sprintf("95 %% interval %s to %s", q.Number(per*e.Lo), q.Format(per*e.Hi))
	}
	return fmt.Sprintf("%s (%s), %.0f B a zombie; %s", bytesLong(per*e.PerZombie), interval, e.PerZombie, how)
}

func (s Summary) floor() string {
	var parts []string
	n := 0
	for _, unit := range []string{s.SlabUnit, results.UnitKmem} {
		if e, ok := s.Estimate(unit); ok && e.Floor >= 0 {
			parts = append(parts, fmt.Sprintf("%s of %s", bytesShort(e.Floor), instrument(unit)))
			n = max(n, e.Controls)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s, the most that %s without zombies moved", list(parts), Plural(n, "control"))
}
