package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"zombench/results"
	"zombench/results/difference"
	"zombench/results/ledger"
	"zombench/results/stats"
)

// Ledger answers what a zombie consists of, by the ledgers of several systems or
// ways of raising.
func Ledger(all []*ledger.Ledger) Doc {
	d := Doc{Title: "What a zombie consists of", Data: ledgerData(all)}
	if len(all) == 2 {
		diff := difference.Of(all[0], all[1])
		d.Sections, d.Data = differenceSections(diff), ledgerData(all).and(object{"difference": differenceData(diff)})
	}
	for _, l := range all {
		d.Sections = append(d.Sections, accountSections(l)...)
	}
	if len(all) > 1 {
		d.Sections = append(d.Sections, sideBySide(all))
	}
	return d
}

func accountSections(l *ledger.Ledger) []Section {
	account := Section{Facts: append([]string{ledgerSentence(l)}, ledgerFacts(l)...), Tables: []Table{cacheTable(l), whoseTable(l)},
		Notes: []string{"objects, bytes and pages are what one zombie holds; struct is its size by BTF, and by how much its objects are larger or smaller"}}
	switch {
	case l.Traced == 0:
		account.Notes = append(account.Notes, "who looked is unknown: these trials did not use the kmem tracepoints; zombench doctor shows whether they are available")
	case len(l.Watchers) == 0:
		account.Notes = append(account.Notes, "no process looked at the zombies, by the kmem tracepoints")
	default:
		account.Tables = append(account.Tables, watcherTable(l))
	}
	reconciliation := Section{Tables: []Table{stepTable(l)}}
	for _, s := range l.Unexplained() {
		reconciliation.Notes = append(reconciliation.Notes, complaint(s))
	}
	sections := []Section{account, reconciliation}
	if len(l.Sites) == 0 {
		sections[1].Notes = append(sections[1].Notes, "without call sites: these trials followed no allocations")
		return sections
	}
	return append(sections, Section{
		Facts:  []string{fmt.Sprintf("What each of %s still held that were followed from clone to reap:", Plural(l.Followed, "zombie"))},
		Tables: []Table{siteTable(l)},
	})
}

// ledgerSentence is the ledger in one line, with the same slab as in the answer of
// a report.
func ledgerSentence(l *ledger.Ledger) string {
	var parts []string
	slab := ledger.StepSlab
	if stats.Plain(l.Spawn()) {
		slab = ledger.StepSUnreclaim
	}
	for _, s := range l.Steps {
		if s.BelowNoise() {
			continue
		}
		switch s.Name {
		case ledger.StepObjects:
			parts = append(parts, fmt.Sprintf("%.0f B of slab objects", s.Bytes))
		case ledger.StepStack:
			parts = append(parts, fmt.Sprintf("%.0f B of kernel stack", s.Bytes))
		case ledger.StepCharge:
			parts = append(parts, fmt.Sprintf("%.0f B charged to its cgroup", s.Bytes))
		case slab:
			parts = append(parts, fmt.Sprintf("%.0f B of kernel slab", s.Bytes))
		}
	}
	return fmt.Sprintf("One zombie on %s, raised by %s: %s.", systemOf(l.Labels), cmp.Or(l.Spawn(), "unknown means"), strings.Join(parts, ", "))
}

// ledgerFacts say what the ledger rests on.
func ledgerFacts(l *ledger.Ledger) []string {
	facts := []string{fmt.Sprintf("Theil-Sen slopes over armies of %s; trials: %d, controls without zombies: %d", list(l.Counts), l.Trials, l.Controls)}
	for _, line := range tally(l.Broken) {
		facts = append(facts, "excluded: "+line)
	}
	for _, line := range tally(l.Warnings) {
		facts = append(facts, "warning: "+line)
	}
	return facts
}

// tally puts flags with one reason on one line, with the trials that they are
// of: "REASON: count=500 (3 times), control".
func tally(flags []ledger.Flag) []string {
	var lines []string
	for _, reason := range stats.Together(flags, func(f ledger.Flag) string { return f.Reason }) {
		var trials []string
		for _, same := range stats.Together(reason, func(f ledger.Flag) string { return f.Trial }) {
			text := same[0].Trial
			if len(same) > 1 {
				text += fmt.Sprintf(" (%d times)", len(same))
			}
			trials = append(trials, text)
		}
		lines = append(lines, reason[0].Reason+": "+strings.Join(trials, ", "))
	}
	return lines
}

// cacheTable is the ledger proper: a row for each cache in which a zombie holds
// something.
func cacheTable(l *ledger.Ledger) Table {
	t := Table{Columns: []Column{{Name: "cache", Left: true}, {Name: "role", Left: true}, {Name: "objects"}, {Name: "used", Unit: "B"}, {Name: "padded", Unit: "B"},
		{Name: "a slab"}, {Name: "order"}, {Name: "bytes", Unit: "B"}, {Name: "pages", Unit: "B"}, {Name: "struct", Left: true}, {Name: "what for", Left: true}}}
	for _, c := range l.Caches {
		if c.Held() == 0 {
			continue
		}
		used := Words("?")
		if c.Used > 0 {
			used = Whole(c.Used)
		}
		t.Row(cacheNames(c), c.Role, Number(c.Held(), fmt.Sprintf("%.3f", c.Held())), used, c.Size, c.PerSlab, c.Order,
			bytesCell(c.Bytes()), bytesCell(c.Packed()), structs(c), purpose(c))
	}
	return t
}

// whoseTable says whose the objects are that grew, a row for each cache.
func whoseTable(l *ledger.Ledger) Table {
	t := Table{Columns: []Column{{Name: "bytes a zombie in", Left: true}, {Name: "grew", Unit: "B"}, {Name: "objects"},
		{Name: "held by the zombie", Unit: "B"}, {Name: "caused by looking", Unit: "B"}, {Name: "unrelated", Unit: "B"}}}
	row := func(name string, objects Cell, w ledger.Whose) {
		t.Row(name, bytesCell(w.Sum()), objects, bytesCell(w.Zombies), bytesCell(w.Watchers), bytesCell(w.Others))
	}
	for _, c := range l.Caches {
		row(c.Name, perZombie(c.Objects, "%.3f"), c.Whose())
	}
	row(fmt.Sprintf("caches within the noise: %d", l.Unlisted), Cell{}, l.Rest)
	row("all", Cell{}, l.Whose())
	return t
}

// watcherTable names who looked, and what each of them left.
func watcherTable(l *ledger.Ledger) Table {
	t := Table{Columns: []Column{{Name: "looked at the zombies", Left: true}, {Name: "looks"}, {Name: "every", Unit: "s"},
		{Name: "objects a zombie"}, {Name: "bytes a zombie", Unit: "B"}, {Name: "share", Unit: "%"}}}
	n := float64(l.Traced)
	for _, w := range l.Watchers {
		every := Cell{}
		if w.Every > 0 {
			every = Number(w.Every.Seconds(), fmt.Sprintf("%.1f", w.Every.Seconds()))
		}
		t.Row(w.Name(), w.Looks, every, Number(float64(w.Objects)/n, fmt.Sprintf("%.2f", float64(w.Objects)/n)),
			bytesCell(float64(w.Bytes)/n), Number(100*w.Share, fmt.Sprintf("%.0f", 100*w.Share)))
	}
	return t
}

func bytesCell(v float64) Cell { return Number(v, rounded(v)) }

func perZombie(e stats.Estimate, format string) Cell {
	return Interval(e.PerZombie, e.Lo, e.Hi, fmt.Sprintf(format, e.PerZombie))
}

// cacheNames gives the cache's name, and of a merged one those that say what it
// holds for a zombie.
func cacheNames(c ledger.Cache) string {
	names := []string{c.Name}
	for _, u := range c.Use {
		names = stats.AddNew(names, u.Cache)
	}
	return strings.Join(names, ", ")
}

// structs gives the sizes of the C types in a cache, and by how much its
// objects are larger.
func structs(c ledger.Cache) string {
	var parts []string
	for _, u := range c.Use {
		if u.Size == 0 {
			continue
		}
		text := fmt.Sprintf("%s %d", u.Struct, u.Size)
		// Of a task_struct the end is as long as the processor's registers.
		if beyond := int64(c.Used) - int64(u.Size); beyond != 0 && c.Used > 0 && len(c.Use) == 1 {
			text += fmt.Sprintf(" %c %d", "+-"[uint64(beyond)>>63], max(beyond, -beyond))
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// purpose says what a cache holds for a zombie.
func purpose(c ledger.Cache) string {
	if c.Role == ledger.Vectors {
		return "memcg: an array of pointers for each slab"
	}
	var parts []string
	for _, u := range c.Use {
		if len(c.Use) > 1 {
			parts = append(parts, u.Cache+": "+u.What)
		} else {
			parts = append(parts, u.What)
		}
	}
	if len(parts) == 0 && len(c.Aliases) > 1 {
		return "merged: " + strings.Join(c.Aliases, ", ")
	}
	return strings.Join(parts, "; ")
}

// stepTable is the steps from objects to pages.
func stepTable(l *ledger.Ledger) Table {
	t := Table{Columns: []Column{{Name: "bytes a zombie", Left: true}, {Name: "", Unit: "B"}, {Name: "95 % interval"},
		{Name: "unexplained", Unit: "B"}, {Name: "intercept", Unit: "B"}, {Name: "from", Left: true}}}
	for _, s := range l.Steps {
		name, bytes, interval, rest, intercept := s.Name, bytesCell(s.Bytes), "", Cell{}, Cell{}
		switch s.Kind {
		case ledger.Part:
			if len(t.Rows) > 0 {
				bytes.Text = fmt.Sprintf("%+.0f", s.Bytes)
			}
		case ledger.Sum:
			name = "= " + name
		case ledger.Measured:
			e := s.Estimate
			bytes = perZombie(*e, "%.0f")
			interval = "too few trials"
			if stats.Finite(e.Lo, e.Hi) {
				interval = fmt.Sprintf("%.0f to %.0f", e.Lo, e.Hi)
			}
			rest, intercept = Number(s.Rest, unexplained(s)), Number(e.Intercept, fmt.Sprintf("%.0f", e.Intercept))
		}
		if s.BelowNoise() {
			bytes.Text = "-"
		}
		t.Row(name, bytes, interval, rest, intercept, s.Source)
	}
	return t
}

// complaint says what is wrong with a step that exceeds its limit.
func complaint(s ledger.Step) string {
	if s.BelowNoise() {
		return s.Name + " grew no more than in controls without zombies, so there is no result; stop other load"
	}
	return fmt.Sprintf("%s: %s is more than the %.1f %% that may stay unexplained", s.Name, unexplained(s), s.Limit)
}

func unexplained(s ledger.Step) string {
	if s.BelowNoise() {
		return "below the noise floor"
	}
	return fmt.Sprintf("%+.0f B, %+.2f %%", s.Rest, s.Percent())
}

func siteTable(l *ledger.Ledger) Table {
	t := Table{Columns: []Column{{Name: "allocated by", Left: true}, {Name: "cache", Left: true}, {Name: "requested", Unit: "B"},
		{Name: "allocated", Unit: "B"}, {Name: "charged", Left: true}, {Name: "objects"}}}
	for _, s := range l.Sites {
		each := float64(s.Objects) / float64(l.Followed)
		t.Row(s.Function, strings.Join(s.Caches, " or "), s.Requested, s.Allocated, s.Accounted, Number(each, fmt.Sprintf("%.2f", each)))
	}
	return t
}

// ledgersApart names ledgers by what differs.
func ledgersApart(all ...*ledger.Ledger) (names []string) {
	keys := stats.Distinguishing(all, func(l *ledger.Ledger) []results.Param { return l.Labels })
	for _, l := range all {
		names = append(names, strings.Join(results.LookupAll(l.Labels, keys), " "))
	}
	return names
}

// sideBySide compares ledgers, a row for each cache.
func sideBySide(all []*ledger.Ledger) Section {
	t := Table{Columns: []Column{{Name: "cache", Left: true}}}
	apart := ledgersApart(all...)
	var names []string
	for i, l := range all {
		t.Columns = append(t.Columns, Column{Name: apart[i], Unit: "B"})
		for _, c := range l.Caches {
			if c.Held() > 0 {
				names = stats.AddNew(names, c.Name)
			}
		}
	}
	row := func(name string, of func(*ledger.Ledger) (float64, bool)) {
		cells := []Cell{Words(name)}
		for _, l := range all {
			if bytes, ok := of(l); ok {
				cells = append(cells, bytesCell(bytes))
			} else {
				cells = append(cells, Words("-"))
			}
		}
		t.Rows = append(t.Rows, cells)
	}
	for _, name := range names {
		row(name, func(l *ledger.Ledger) (float64, bool) {
			i := slices.IndexFunc(l.Caches, func(c ledger.Cache) bool { return c.Name == name && c.Held() > 0 })
			if i < 0 {
				return 0, false
			}
			return l.Caches[i].Bytes(), true
		})
	}
	for _, name := range []string{ledger.StepCharge, ledger.StepPages} {
		row(name, func(l *ledger.Ledger) (float64, bool) {
			s, ok := l.Step(name)
			return s.Bytes, ok
		})
	}
	return Section{Heading: "Side by side, in bytes a zombie", Tables: []Table{t}}
}
