package host

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"zombench/measure/limits"
	"zombench/results/recorded"
	"zombench/results/report"
	"zombench/results/stats"
)

// unbounded is how many zombies fit where nothing bounds them.
const unbounded = "any"

// place says where a limit is, and whose it is.
func place(l limits.Limit) string {
	if l.Owner == "" {
		return l.Where
	}
	return l.Where + " (" + l.Owner + ")"
}

// used says how much of a limit is taken.
func used(l limits.Limit) string {
	number := func(n uint64) string {
		if l.Unit == limits.Bytes {
			return Bytes(n)
		}
		return strconv.FormatUint(n, 10)
	}
	s := number(l.Used) + " of " + number(l.Value)
	if l.Unseen {
		s = "unknown, of " + number(l.Value)
	}
	if !l.Binds {
		s += ", not enforced"
	}
	return s
}

// Limits are what zombench limits says.
type Limits struct {
	Bounds  []limits.Headroom // the one that is met first before the others
	Query   limits.Query
	Each    recorded.Cost
	Rate    *limits.Rate // nil: not asked
	Now     time.Time
	Fit     bool           // the zombies that the query asks for
	Dressed []limits.Limit // that zombies meet which keep more alive than themselves
}

// first says which limit is reached first, after how many zombies and when.
func (a Limits) first() string {
	if len(a.Bounds) == 0 || !a.Bounds[0].Bounded() {
		return "no limit applies to zombies here"
	}
	b := a.Bounds[0]
	whose := cmp.Or(b.Owner, b.Where)
	if b.Fits == 0 {
		return fmt.Sprintf("no more zombies fit: %s is reached, %s used (%s)", b.Name, used(b.Limit), whose)
	}
	fit := "more zombies fit"
	if b.Fits == 1 {
		fit = "more zombie fits"
	}
	s := fmt.Sprintf("%d %s, then %s is reached (%s); they hold %s by then%s", b.Fits, fit, b.Name, whose, Bytes(a.holds(b)), a.Each.Assumed())
	if a.Rate != nil {
		s += fmt.Sprintf("; at %s that takes %s", a.Rate, Duration(a.Rate.After(b.Fits)))
		if d, ok := a.Rate.After(b.Fits); ok {
			s += ", until " + a.Now.Add(d).UTC().Format("2006-01-02 15:04 MST")
		}
	}
	return s
}

// holds returns how much memory the zombies that fit take, in bytes.
func (a Limits) holds(b limits.Headroom) uint64 {
	if b.Fits > math.MaxUint64/a.Each.Pages {
		return math.MaxUint64
	}
	return b.Fits * a.Each.Pages
}

// Doc is the document: the limits that are set in a table, the rest in notes.
func (a Limits) Doc() report.Doc {
	d := report.Doc{Title: "Limits", Facts: []string{a.first()}, Data: a.data()}
	t := report.Table{Columns: []report.Column{
		{Name: "limit", Left: true}, {Name: "more zombies"}, {Name: "they hold" + a.Each.Assumed(), Unit: "B"}, {Name: "reached in", Unit: "sec"},
		{Name: "used", Left: true}, {Name: "where", Left: true}, {Name: "remedy", Left: true}}}
	var unlimited []string
	for _, b := range a.Bounds {
		if b.Unlimited {
			unlimited = stats.AddNew(unlimited, b.Name)
			continue
		}
		fits, holds, in := any(unbounded), report.Cell{}, report.Cell{}
		if b.Bounded() {
			fits, holds = b.Fits, report.Number(float64(a.holds(b)), Bytes(a.holds(b)))
			if a.Rate != nil {
				after, ok := a.Rate.After(b.Fits)
				in = report.Number(after.Seconds(), Duration(after, ok))
				if !ok {
					in.Value = nil
				}
			}
		}
		t.Row(b.Name, fits, holds, in, used(b.Limit), place(b.Limit), a.Query.Remedy(b.Limit).Text)
	}
	if len(t.Rows) > 0 {
		d.Sections = []report.Section{{Tables: []report.Table{t.WithoutEmpty()}}}
	}
	if len(a.Dressed) > 0 {
		d.Sections = append(d.Sections, a.dressedSection())
	}
	d.Notes = append(d.Notes, a.Each.String())
	if len(unlimited) > 0 {
		d.Notes = append(d.Notes, "unlimited, here and in the cgroups above: "+strings.Join(unlimited, ", "))
	}
	if a.Query.Count > 0 {
		fit := " fit"
		if !a.Fit {
			fit = " do not fit"
		}
		d.Notes = append(d.Notes, report.Plural(a.Query.Count, "zombie")+fit)
	}
	return d
}

// dressedSection lists what a zombie may keep alive besides itself, and how much
// of it there may be.
func (a Limits) dressedSection() report.Section {
	t := report.Table{Columns: []report.Column{
		{Name: "limit", Left: true}, {Name: "more"}, {Name: "of", Left: true}, {Name: "used", Left: true}, {Name: "where", Left: true},
	}}
	for _, l := range a.Dressed {
		if l.Unlimited {
			continue
		}
		room := any(l.Room())
		if l.Unseen {
			room = ""
		}
		t.Row(l.Name, room, l.Unit, used(l), place(l))
	}
	return report.Section{Heading: "Limits on what zombies may keep alive", Tables: []report.Table{t.WithoutEmpty()}}
}

// A LimitRecord is a bound for programs. A null is something that does not
// bound, or was not asked.
type LimitRecord struct {
	Limit   string  `json:"limit"`
	Where   string  `json:"where"`
	Owner   string  `json:"owner,omitempty"`
	Value   *uint64 `json:"value"` // null: unlimited
	Used    *uint64 `json:"used"`  // null: it is not shown
	Unit    string  `json:"unit"`  // of value and used
	Binds   bool    `json:"binds"`
	Fits    *uint64 `json:"zombies"`     // how many more fit
	Holds   *uint64 `json:"holds_bytes"` // slab pages that they hold by then
	AfterNs *int64  `json:"after_ns"`    // at the rate
	Remedy  string  `json:"remedy,omitempty"`
}

func record(l limits.Limit) LimitRecord {
	r := LimitRecord{Limit: l.Name, Where: l.Where, Owner: l.Owner, Unit: l.Unit, Binds: l.Binds}
	if !l.Unseen {
		r.Used = &l.Used
	}
	if !l.Unlimited {
		r.Value = &l.Value
	}
	return r
}

func (a Limits) records() []LimitRecord {
	var all []LimitRecord
	for _, b := range a.Bounds {
		r := record(b.Limit)
		r.Remedy = a.Query.Remedy(b.Limit).Text
		if b.Bounded() {
			holds := a.holds(b)
			r.Fits, r.Holds = &b.Fits, &holds
			if a.Rate != nil {
				if d, ok := a.Rate.After(b.Fits); ok {
					ns := d.Nanoseconds()
					r.AfterNs = &ns
				}
			}
		}
		all = append(all, r)
	}
	return all
}

// data is all of it, for programs.
func (a Limits) data() any {
	out := struct {
		Time   time.Time     `json:"time"`
		Zombie recorded.Cost `json:"zombie"`
		Rate   string        `json:"rate,omitempty"`
		Asked  uint64        `json:"asked,omitempty"` // zombies
		Fit    *bool         `json:"fit,omitempty"`   // those asked for
		Limits []LimitRecord `json:"limits"`          // the one that is reached first before the others
		Beside []LimitRecord `json:"kept_alive,omitempty"`
	}{Time: a.Now.UTC(), Zombie: a.Each, Limits: a.records()}
	for _, l := range a.Dressed {
		out.Beside = append(out.Beside, record(l))
	}
	if a.Rate != nil {
		out.Rate = a.Rate.String()
	}
	if a.Query.Count > 0 {
		out.Asked, out.Fit = a.Query.Count, &a.Fit
	}
	return out
}
