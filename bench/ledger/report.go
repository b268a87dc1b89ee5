package ledger

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"zombench/bench/callsites"
	"zombench/results/table"
)

// A Format is a way to print a report.
type Format string

const (
	Text     Format = "text"     // for a terminal
	Markdown Format = "markdown" // GitHub's, to paste
	CSV      Format = "csv"      // one line a number, for programs
	JSON     Format = "json"     // all of it, for programs
)

// Formats are all there are.
func Formats() []Format { return []Format{Text, Markdown, CSV, JSON} }

// ParseFormat finds a format by its name.
func ParseFormat(name string) (Format, error) {
	if f := Format(name); slices.Contains(Formats(), f) {
		return f, nil
	}
	return "", fmt.Errorf("unknown format %q: want text, markdown, csv or json", name)
}

// A Report is the ledgers of one kernel, one for each way of spawning.
type Report struct {
	Kernel  string // release
	GOARCH  string
	Ledgers []*Ledger
	// Sites are the call sites of each ledger's zombies, SitesErr why there
	// are none.
	Sites    []*callsites.Held
	SitesErr error
	Notes    []string // what else a reader should know, such as missing instruments
}

// Write prints the report.
func (r Report) Write(w io.Writer, f Format) error {
	var b strings.Builder
	var err error
	switch f {
	case Text:
		err = r.people(&page{&b, table.Text})
	case Markdown:
		err = r.people(&page{&b, table.Markdown})
	case CSV:
		err = r.csv(&b)
	case JSON:
		err = r.json(&b)
	default:
		_, err = ParseFormat(string(f))
	}
	if err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	return nil
}

// people prints for people.
func (r Report) people(p *page) error {
	for i, l := range r.Ledgers {
		if i > 0 {
			p.line("")
		}
		p.title(r.sentence(l))
		for _, fact := range l.facts() {
			p.item(fact)
		}
		p.line("")
		header, rows := l.caches()
		if err := p.table(header, rows); err != nil {
			return err
		}
		p.line("")
		header, rows = l.reconciliation()
		if err := p.table(header, rows); err != nil {
			return err
		}
		for _, s := range l.Unexplained() {
			p.item(s.complaint())
		}
		if i < len(r.Sites) && r.Sites[i] != nil {
			p.line("")
			p.item(fmt.Sprintf("still allocated of %d zombies that were followed from clone to reap, for each of them:", r.Sites[i].Zombies))
			p.line("")
			header, rows = sitesTable(r.Sites[i])
			if err := p.table(header, rows); err != nil {
				return err
			}
		}
	}
	if len(r.Ledgers) > 1 {
		p.line("")
		p.title("What the way of spawning changes, in bytes a zombie:")
		p.line("")
		header, rows := sideBySide(r.Ledgers)
		if err := p.table(header, rows); err != nil {
			return err
		}
	}
	if r.SitesErr != nil {
		p.line("")
		p.item(fmt.Sprintf("without call sites: %v", r.SitesErr))
	}
	for _, note := range r.Notes {
		p.item(note)
	}
	return nil
}

// sentence is the ledger in one line.
func (r Report) sentence(l *Ledger) string {
	var parts []string
	for _, s := range l.Steps {
		if s.BelowNoise {
			continue
		}
		switch s.Name {
		case stepObjects:
			parts = append(parts, fmt.Sprintf("%.0f B of slab objects", s.Bytes))
		case stepStack:
			parts = append(parts, fmt.Sprintf("%.0f B of kernel stack", s.Bytes))
		case stepCharge:
			parts = append(parts, fmt.Sprintf("%.0f B charged to its cgroup", s.Bytes))
		case stepPages:
			parts = append(parts, fmt.Sprintf("%.0f B of slab pages", s.Bytes))
		}
	}
	return fmt.Sprintf("One zombie on Linux %s/%s, raised by %s: %s.", r.Kernel, r.GOARCH, l.Spawn, strings.Join(parts, ", "))
}

// facts say how the ledger was had.
func (l *Ledger) facts() []string {
	facts := []string{
		fmt.Sprintf("Theil-Sen slopes over armies of %s; trials: %d, controls without zombies: %d; caches that did not grow by more than noise, not listed: %d",
			list(l.Counts), l.Trials, l.Controls, l.Unlisted),
		"objects, bytes and pages are what one zombie adds; struct is its size by BTF, and by how much its objects are larger or smaller",
	}
	for _, line := range tally(l.Broken) {
		facts = append(facts, "left out: "+line)
	}
	for _, line := range tally(l.Noisy) {
		facts = append(facts, "noisy, counted all the same: "+line)
	}
	return facts
}

// tally puts flags with one reason on one line, with the trials that they are
// of: "REASON: count=500 (3 times), control".
func tally(flags []Flag) []string {
	var reasons []string
	trials := make(map[string][]string)
	times := make(map[Flag]int)
	for _, f := range flags {
		if times[f]++; times[f] > 1 {
			continue
		}
		if trials[f.Reason] == nil {
			reasons = append(reasons, f.Reason)
		}
		trials[f.Reason] = append(trials[f.Reason], f.Trial)
	}
	for i, reason := range reasons {
		for j, trial := range trials[reason] {
			if n := times[Flag{trial, reason}]; n > 1 {
				trials[reason][j] = fmt.Sprintf("%s (%d times)", trial, n)
			}
		}
		reasons[i] = reason + ": " + strings.Join(trials[reason], ", ")
	}
	return reasons
}

func list(counts []int) string {
	words := make([]string, len(counts))
	for i, n := range counts {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, ", ")
}

// caches is the ledger proper: a row for each cache.
func (l *Ledger) caches() (header []string, rows [][]string) {
	header = []string{"cache", "objects", "used", "padded", "a slab", "order", "bytes", "pages", "struct", "what for"}
	for _, line := range l.Lines {
		used := "?"
		if line.Used > 0 {
			used = strconv.FormatUint(line.Used, 10)
		}
		rows = append(rows, []string{
			line.names(),
			trim(line.Objects.PerZombie, 3),
			used,
			strconv.FormatUint(line.Size, 10),
			strconv.FormatUint(line.PerSlab, 10),
			strconv.Itoa(line.Order),
			fmt.Sprintf("%.0f", line.Bytes()),
			fmt.Sprintf("%.0f", line.Pages.PerZombie),
			line.structs(),
			line.purpose(),
		})
	}
	return header, rows
}

// names gives the cache's name, and of a merged one those that say what it
// holds for a zombie.
func (l Line) names() string {
	names := []string{l.Name}
	for _, u := range l.Use {
		if !slices.Contains(names, u.Cache) {
			names = append(names, u.Cache)
		}
	}
	return strings.Join(names, ", ")
}

// structs gives the sizes of the C types in a cache, and by how much its
// objects are larger.
func (l Line) structs() string {
	var parts []string
	for _, u := range l.Use {
		if u.Size == 0 {
			continue
		}
		text := fmt.Sprintf("%s %d", u.Struct, u.Size)
		// Of a task_struct the end is as long as the processor's registers.
		if beyond := int64(l.Used) - int64(u.Size); beyond != 0 && l.Used > 0 && len(l.Use) == 1 {
			text += fmt.Sprintf(" %c %d", "+-"[uint64(beyond)>>63], max(beyond, -beyond))
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// purpose says what a cache holds for a zombie.
func (l Line) purpose() string {
	if l.Role == Vectors {
		return "memcg: an array of pointers for each slab"
	}
	var parts []string
	for _, u := range l.Use {
		if len(l.Use) > 1 {
			parts = append(parts, u.Cache+": "+u.What)
		} else {
			parts = append(parts, u.What)
		}
	}
	if len(parts) == 0 && len(l.Aliases) > 1 {
		return "merged: " + strings.Join(l.Aliases, ", ")
	}
	return strings.Join(parts, "; ")
}

// reconciliation is the steps from objects to pages.
func (l *Ledger) reconciliation() (header []string, rows [][]string) {
	header = []string{"bytes a zombie", "", "95 % interval", "unexplained", "intercept", "from"}
	for _, s := range l.Steps {
		bytes := fmt.Sprintf("%.0f", s.Bytes)
		if s.Part && len(rows) > 0 {
			bytes = fmt.Sprintf("%+.0f", s.Bytes)
		}
		name := s.Name
		if !s.Part && !s.Measured {
			name = "= " + name
		}
		interval := ""
		switch {
		case math.IsNaN(s.Lo):
		case math.IsInf(s.Lo, 0) || math.IsInf(s.Hi, 0):
			interval = "too few trials"
		default:
			interval = fmt.Sprintf("%.0f to %.0f", s.Lo, s.Hi)
		}
		rest, intercept := "", ""
		if s.Measured {
			rest, intercept = s.restText(), fmt.Sprintf("%.0f", s.Intercept)
		}
		if s.BelowNoise {
			bytes = "-"
		}
		rows = append(rows, []string{name, bytes, interval, rest, intercept, s.Source})
	}
	return header, rows
}

// complaint says what is wrong with a step that exceeds its limit.
func (s Step) complaint() string {
	if s.BelowNoise {
		return s.Name + " did not grow by more than in controls without zombies: nothing can be said; stop what else runs"
	}
	return fmt.Sprintf("%s: %s is more than the %.1f %% that may stay unexplained", s.Name, s.restText(), s.Limit)
}

func (s Step) restText() string {
	if s.BelowNoise {
		return "below the noise floor"
	}
	return fmt.Sprintf("%+.0f B, %+.2f %%", s.Rest, s.Percent())
}

// sideBySide compares ways of spawning, a row for each cache.
func sideBySide(ledgers []*Ledger) (header []string, rows [][]string) {
	header = []string{"cache"}
	var names []string
	for _, l := range ledgers {
		header = append(header, l.Spawn)
		for _, line := range l.Lines {
			if !slices.Contains(names, line.Name) {
				names = append(names, line.Name)
			}
		}
	}
	for _, name := range names {
		row := []string{name}
		for _, l := range ledgers {
			i := slices.IndexFunc(l.Lines, func(line Line) bool { return line.Name == name })
			if i < 0 {
				row = append(row, "-")
				continue
			}
			row = append(row, fmt.Sprintf("%.0f", l.Lines[i].Bytes()))
		}
		rows = append(rows, row)
	}
	for _, step := range []string{stepCharge, stepPages} {
		row := []string{step}
		for _, l := range ledgers {
			i := slices.IndexFunc(l.Steps, func(s Step) bool { return s.Name == step })
			if i < 0 {
				row = append(row, "-")
				continue
			}
			row = append(row, fmt.Sprintf("%.0f", l.Steps[i].Bytes))
		}
		rows = append(rows, row)
	}
	return header, rows
}

func sitesTable(h *callsites.Held) (header []string, rows [][]string) {
	header = []string{"allocated by", "cache", "asked for", "given", "charged", "objects"}
	for _, s := range h.Sites {
		rows = append(rows, []string{s.Function, s.CacheName(), strconv.FormatUint(s.Asked, 10), strconv.FormatUint(s.Given, 10),
			s.Accounted.String(), trim(float64(s.Objects)/float64(h.Zombies), 2)})
	}
	return header, rows
}

// csv writes a line for each number.
func (r Report) csv(b *strings.Builder) error {
	w := csv.NewWriter(b)
	w.Write([]string{"kernel", "goarch", "spawn", "table", "name", "quantity", "value", "lo", "hi"}) // the error is kept for w.Error
	for i, l := range r.Ledgers {
		put := func(table, name, quantity string, values ...float64) {
			line := []string{r.Kernel, r.GOARCH, l.Spawn, table, name, quantity, "", "", ""}
			for i, v := range values {
				if !math.IsInf(v, 0) && !math.IsNaN(v) {
					line[6+i] = strconv.FormatFloat(v, 'g', -1, 64)
				}
			}
			w.Write(line)
		}
		for _, c := range l.Lines {
			put(string(c.Role), c.Name, "objects", c.Objects.PerZombie, c.Objects.Lo, c.Objects.Hi)
			put(string(c.Role), c.Name, "object-B", float64(c.Size))
			put(string(c.Role), c.Name, "used-B", float64(c.Used))
			put(string(c.Role), c.Name, "bytes", c.Bytes())
			put(string(c.Role), c.Name, "pages-B", c.Pages.PerZombie, c.Pages.Lo, c.Pages.Hi)
		}
		for _, s := range l.Steps {
			put("step", s.Name, "bytes", s.Bytes, s.Lo, s.Hi)
			if s.Measured {
				put("step", s.Name, "unexplained-B", s.Rest)
				put("step", s.Name, "intercept-B", s.Intercept)
			}
		}
		if i < len(r.Sites) && r.Sites[i] != nil {
			for _, s := range r.Sites[i].Sites {
				put("site", s.Function+" "+s.CacheName(), "objects", float64(s.Objects)/float64(r.Sites[i].Zombies))
				put("site", s.Function+" "+s.CacheName(), "asked-B", float64(s.Asked))
				put("site", s.Function+" "+s.CacheName(), "given-B", float64(s.Given))
			}
		}
	}
	w.Flush()
	return w.Error()
}

// json writes all of it. What is no number there (an interval of too few
// trials) is null.
func (r Report) json(b *strings.Builder) error {
	type cache struct {
		Name      string   `json:"name"`
		Aliases   []string `json:"aliases"`
		Role      Role     `json:"role"`
		Objects   rateJSON `json:"objects"`
		Pages     rateJSON `json:"pages_bytes"`
		Used      uint64   `json:"used_bytes,omitempty"`
		Size      uint64   `json:"object_bytes"`
		PerSlab   uint64   `json:"objects_per_slab"`
		Order     int      `json:"order"`
		SlabBytes uint64   `json:"slab_bytes"`
		Bytes     float64  `json:"bytes"`
		Use       []Use    `json:"use,omitempty"`
	}
	type step struct {
		Name       string   `json:"name"`
		Kind       string   `json:"kind"`
		Bytes      float64  `json:"bytes"`
		Lo         *float64 `json:"lo,omitempty"`
		Hi         *float64 `json:"hi,omitempty"`
		Rest       *float64 `json:"unexplained_bytes,omitempty"`
		Percent    *float64 `json:"unexplained_percent,omitempty"`
		Intercept  *float64 `json:"intercept_bytes,omitempty"`
		Limit      float64  `json:"limit_percent,omitempty"`
		BelowNoise bool     `json:"below_noise,omitempty"`
		Source     string   `json:"source,omitempty"`
	}
	type ledger struct {
		Spawn    string          `json:"spawn"`
		Counts   []int           `json:"counts"`
		Trials   int             `json:"trials"`
		Controls int             `json:"controls"`
		Broken   []Flag          `json:"broken,omitempty"`
		Noisy    []Flag          `json:"noisy,omitempty"`
		Unlisted int             `json:"unlisted_caches"`
		Caches   []cache         `json:"caches"`
		Steps    []step          `json:"steps"`
		Adds     bool            `json:"adds_up"`
		Sites    *callsites.Held `json:"call_sites,omitempty"`
	}
	doc := struct {
		Kernel   string   `json:"kernel"`
		GOARCH   string   `json:"goarch"`
		Ledgers  []ledger `json:"ledgers"`
		SitesErr string   `json:"without_call_sites,omitempty"`
		Notes    []string `json:"notes,omitempty"`
	}{Kernel: r.Kernel, GOARCH: r.GOARCH, Notes: r.Notes}
	if r.SitesErr != nil {
		doc.SitesErr = r.SitesErr.Error()
	}
	for i, l := range r.Ledgers {
		out := ledger{Spawn: l.Spawn, Counts: l.Counts, Trials: l.Trials, Controls: l.Controls,
			Broken: l.Broken, Noisy: l.Noisy, Unlisted: l.Unlisted, Adds: len(l.Unexplained()) == 0}
		for _, c := range l.Lines {
			out.Caches = append(out.Caches, cache{c.Name, c.Aliases, c.Role, newRateJSON(c.Objects), newRateJSON(c.Pages),
				c.Used, c.Size, c.PerSlab, c.Order, c.SlabBytes, c.Bytes(), c.Use})
		}
		for _, s := range l.Steps {
			o := step{Name: s.Name, Kind: "sum", Bytes: s.Bytes, Lo: number(s.Lo), Hi: number(s.Hi), Limit: s.Limit, BelowNoise: s.BelowNoise, Source: s.Source}
			switch {
			case s.Part:
				o.Kind = "part"
			case s.Measured:
				o.Kind, o.Rest, o.Percent, o.Intercept = "measured", number(s.Rest), number(s.Percent()), number(s.Intercept)
			}
			out.Steps = append(out.Steps, o)
		}
		if i < len(r.Sites) {
			out.Sites = r.Sites[i]
		}
		doc.Ledgers = append(doc.Ledgers, out)
	}
	enc := json.NewEncoder(b)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

type rateJSON struct {
	PerZombie float64  `json:"per_zombie"`
	Lo        *float64 `json:"lo"`
	Hi        *float64 `json:"hi"`
	Intercept float64  `json:"intercept"`
	Floor     *float64 `json:"noise_floor"`
}

func newRateJSON(r Rate) rateJSON {
	out := rateJSON{PerZombie: r.PerZombie, Lo: number(r.Lo), Hi: number(r.Hi), Intercept: r.Intercept}
	if r.Floor >= 0 {
		out.Floor = &r.Floor
	}
	return out
}

func number(v float64) *float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nil
	}
	return &v
}

func trim(v float64, digits int) string {
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// A page is text for people.
type page struct {
	*strings.Builder
	format table.Format
}

func (p *page) line(s string) { p.WriteString(s + "\n") }

func (p *page) title(s string) {
	s = p.format.Escape(s)
	if p.format == table.Markdown {
		s = "**" + s + "**\n"
	}
	p.line(s)
}

func (p *page) item(s string) {
	bullet := "  "
	if p.format == table.Markdown {
		bullet = "- "
	}
	p.line(bullet + p.format.Escape(s))
}

// table prints a table; words on the left, numbers on the right.
func (p *page) table(header []string, rows [][]string) error {
	left := func(column int) bool { return column == 0 || slices.Contains(wordColumns, header[column]) }
	return table.Table{Header: header, Rows: rows, Left: left}.Write(p, p.format)
}

// wordColumns hold words: they begin on the left.
var wordColumns = []string{"struct", "what for", "from", "allocated by", "cache"}
