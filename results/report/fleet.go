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

// nodeKey is the key of a file's configuration that names the machine.
const nodeKey = "node"

// A Fleet is nodes of which everything is alike but their names, and what zombies
// hold on them: on most as good as the same, which one line says, while those that
// differ are named.
type Fleet struct {
	Labels  []results.Param // that the nodes share
	Unit    string          // of the estimates
	Alike   []Node          // as good as the same
	Differ  []Node          // from those
	Nothing []Node          // of which nothing can be said
	Center  float64         // bytes a zombie, the median of all
	Within  float64         // bytes a zombie by which those alike differ from it at most
}

// A Node is one run on one node.
type Node struct {
	Name  string
	Bytes float64 // a zombie
	Why   string  // nothing can be said of it
}

// Nodes differ by more than farPercent of the median, and by more than farSpreads
// times the spread of their like. The first is less than a word more in a
// task_struct makes, 64 bytes of some 10 000; the second is for instruments that
// are noisy, such as slab.
const (
	farPercent = 0.25
	farSpreads = 5
)

// leastFleet is the number of nodes from which they are a fleet.
const leastFleet = 3

// named is how many nodes are named of those that have something in common.
const named = 5

// In the place of a node's name.
const (
	alikeNodes = "alike"
	otherNodes = "others"
)

// fold puts the trials of nodes together that are as good as the same. Without a
// fleet all is returned as it is.
func (q Query) fold(setups []*stats.Setup) (apart, folded []*stats.Setup, fleets []Fleet, notes []string) {
	nodes := make(map[string]bool)
	for _, s := range setups {
		nodes[results.Lookup(s.First.Config, nodeKey)] = true
	}
	if delete(nodes, ""); len(nodes) < leastFleet {
		return setups, setups, nil, nil // one machine that measured many kernels is none
	}
	apart, notes = runsApart(setups)
	if fleets = q.fleets(apart); len(fleets) == 0 {
		return setups, setups, nil, nil
	}
	names := make(map[string]string)
	for _, f := range fleets {
		for _, n := range f.Alike {
			names[n.Name] = cmp.Or(names[n.Name], alikeNodes)
		}
		for i, n := range slices.Concat(f.Differ, f.Nothing) {
			if names[n.Name] = n.Name; i >= named {
				names[n.Name] = otherNodes
			}
		}
	}
	at := make(map[string]*stats.Setup)
	for _, s := range apart {
		name, ok := names[results.Lookup(s.First.Config, nodeKey)]
		if !ok {
			folded = append(folded, s)
			continue
		}
		s = withNode(s, name)
		key := fmt.Sprint(s.First.Bench, s.First.Control, stats.KeyOf(s.First.Config), stats.KeyOf(s.First.Params))
		if to := at[key]; to != nil {
			to.Trials, to.Broken = append(to.Trials, s.Trials...), append(to.Broken, s.Broken...)
			continue
		}
		s.Trials, s.Broken = slices.Clone(s.Trials), slices.Clone(s.Broken)
		s.First.File = ""
		at[key] = s
		folded = append(folded, s)
	}
	return apart, folded, fleets, notes
}

// runsApart gives the second run of a kernel on a node, and those after it, names of
// their own.
func runsApart(setups []*stats.Setup) (apart []*stats.Setup, notes []string) {
	runs := make(map[string][]*results.Facts) // by configuration
	var twice []string
	for _, s := range setups {
		node, config := results.Lookup(s.First.Config, nodeKey), stats.KeyOf(s.First.Config)
		i := slices.Index(runs[config], s.First.Facts)
		if i < 0 {
			i = len(runs[config])
			runs[config] = append(runs[config], s.First.Facts)
			if i == 1 && node != "" {
				twice = append(twice, node)
			}
		}
		if i > 0 && node != "" {
			s = withNode(s, fmt.Sprintf("%s (run %d)", node, i+1))
		}
		apart = append(apart, s)
	}
	slices.Sort(twice)
	if twice = slices.Compact(twice); len(twice) > 0 {
		notes = []string{"measured more than once, listed separately: " + firstOf(twice)}
	}
	return apart, notes
}

// withNode returns the setup under another name of its node.
func withNode(s *stats.Setup, name string) *stats.Setup {
	first := *s.First
	first.Config = slices.Clone(first.Config)
	for i := range first.Config {
		if first.Config[i].Key == nodeKey {
			first.Config[i].Value = name
		}
	}
	return &stats.Setup{First: &first, Trials: s.Trials, Broken: s.Broken}
}

// fleets sorts nodes into fleets, by what was estimated for each.
func (q Query) fleets(setups []*stats.Setup) []Fleet {
	nodes := slices.DeleteFunc(stats.Summarize(stats.Groups(setups)), func(s stats.Summary) bool { return s.Label(nodeKey) == "" || len(s.Armies) == 0 })
	labels := func(s stats.Summary) []results.Param {
		return slices.DeleteFunc(slices.Clone(s.Labels), func(p results.Param) bool { return p.Key == nodeKey || q.ignores(p.Key) })
	}
	var fleets []Fleet
	for _, alike := range stats.Together(nodes, func(s stats.Summary) string { return stats.KeyOf(labels(s)) }) {
		if len(alike) < leastFleet {
			continue
		}
		f := Fleet{Labels: labels(alike[0])}
		for _, s := range alike {
			f.add(s)
		}
		f.tellApart()
		fleets = append(fleets, f)
	}
	return fleets
}

// add adds a node to those that are alike, if anything can be said of it.
func (f *Fleet) add(s stats.Summary) {
	node := Node{Name: s.Label(nodeKey)}
	e := cmp.Or(s.Charge(), s.Slab())
	unit := results.UnitKmem
	if s.Charge() == nil {
		unit = s.SlabUnit
	}
	switch {
	case s.Trials == 0:
		node.Why = "all trials are broken"
	case e == nil || !e.AboveNoise():
		node.Why = "below the noise floor"
	case f.Unit != "" && f.Unit != unit:
		node.Why = "measured by another instrument"
	default:
		f.Unit, node.Bytes = unit, e.PerZombie
		f.Alike = append(f.Alike, node)
		return
	}
	f.Nothing = append(f.Nothing, node)
}

func (f *Fleet) size() int { return len(f.Alike) + len(f.Differ) + len(f.Nothing) }

// ignores reports whether a key may vary among what is alike.
func (q Query) ignores(key string) bool {
	return slices.Contains(strings.FieldsFunc(q.Ignore, func(r rune) bool { return r == ',' || r == ' ' }), key)
}

// tellApart finds the nodes that differ.
func (f *Fleet) tellApart() {
	if len(f.Alike) == 0 {
		return
	}
	all := f.Alike
	f.Alike = nil
	f.Center = middle(all, func(n Node) float64 { return n.Bytes })
	off := func(n Node) float64 { return math.Abs(n.Bytes - f.Center) }
	far := max(farPercent/100*f.Center, farSpreads*middle(all, off))
	for _, n := range all {
		if off(n) > far {
			f.Differ = append(f.Differ, n)
		} else {
			f.Alike, f.Within = append(f.Alike, n), max(f.Within, off(n))
		}
	}
	slices.SortStableFunc(f.Differ, func(a, b Node) int { return cmp.Compare(off(b), off(a)) })
}

func middle(nodes []Node, of func(Node) float64) float64 {
	var values []float64
	for _, n := range nodes {
		values = append(values, of(n))
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

// fleetSentences are what is said of the fleets.
func (r *Report) fleetSentences() (all []string) {
	keys := stats.Distinguishing(r.Fleets, func(f Fleet) []results.Param { return f.Labels })
	for _, f := range r.Fleets {
		all = append(all, f.sentence(r.Query.per(), keys))
	}
	return all
}

// sentence is what is said of a fleet.
func (f Fleet) sentence(per int, keys []string) string {
	of := Summary{Summary: stats.Summary{Group: &stats.Group{Labels: f.Labels}}, Keys: keys}
	text := fmt.Sprintf("%s with %s: ", Plural(f.size(), "node"), of.System())
	if len(f.Alike) == 0 {
		return text + "no result; " + names(f.Nothing, per) + "."
	}
	what := "of kernel memory charged to their cgroup"
	if f.Unit != results.UnitKmem {
		what = "of kernel slab"
	}
	text += fmt.Sprintf("%s hold %s %s, ", Plural(per, "zombie"), bytesLong(float64(per)*f.Center), what)
	which := "all"
	if len(f.Alike) < f.size() {
		which = fmt.Sprint(len(f.Alike))
	}
	text += fmt.Sprintf("%s within %s", which, bytesShort(float64(per)*f.Within))
	if n := len(f.Differ); n > 0 {
		text += fmt.Sprintf("; %d differ: %s", n, names(f.Differ, per))
		if n == 1 {
			text = strings.Replace(text, "1 differ:", "1 differs:", 1)
		}
	}
	if len(f.Nothing) > 0 {
		text += fmt.Sprintf("; %d without a result: %s", len(f.Nothing), names(f.Nothing, per))
	}
	return text + "."
}

// names names the first nodes of a list, and says what is with them.
func names(nodes []Node, per int) string {
	var texts []string
	for _, n := range nodes {
		text := n.Name + " " + bytesLong(float64(per)*n.Bytes)
		if n.Why != "" {
			text = n.Name + " (" + n.Why + ")"
		}
		texts = append(texts, text)
	}
	return firstOf(texts)
}

// firstOf lists the first of many.
func firstOf(texts []string) string {
	if more := len(texts) - named; more > 0 {
		texts = append(slices.Clone(texts[:named]), fmt.Sprintf("%d more", more))
	}
	return list(texts)
}

// partNotes say what is missing of the runs that were read, and what was there
// more often than it was measured.
func partNotes(parts []*results.Part) []string {
	var short, again, headless, fitted []string
	for _, p := range parts {
		name := cmp.Or(results.Lookup(p.Config, nodeKey), fmt.Sprintf("%s:%d", p.File, p.Line))
		if p.Headless {
			headless = append(headless, fmt.Sprintf("%s of run %s (%s:%d)", Plural(p.Read, "trial"), p.Facts.Run.ID, p.File, p.Line))
			continue
		}
		for _, e := range p.Facts.About {
			if e.Name == results.AboutBudget {
				fitted = stats.AddNew(fitted, e.Text)
			}
		}
		if p.Short() {
			short = append(short, fmt.Sprintf("%s %d of %d", name, p.Read, p.Facts.Run.Trials))
		}
		if p.Again > 0 {
			again = append(again, fmt.Sprintf("%s of %s", Plural(p.Again, "trial"), name))
		}
	}
	var notes []string
	note := func(text string, of []string) {
		if len(of) > 0 {
			notes = append(notes, text+firstOf(of))
		}
	}
	note("", fitted)
	note("incomplete (a run was interrupted, or its file truncated), trials: ", short)
	note("duplicates, counted once: ", again)
	note("omitted, because the header of their run is missing: ", headless)
	return notes
}
