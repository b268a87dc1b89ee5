package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zombench/measure"
	"zombench/measure/limits"
	"zombench/results/report"
)

// limitsOptions are the flags of zombench limits.
type limitsOptions struct {
	rate   string
	count  uint64
	cgroup string
	pid    int
	from   string
	format string
}

func newLimits() *cobra.Command {
	var o limitsOptions
	cmd := &cobra.Command{
		Use:   "limits",
		Short: "Show which limit zombies hit first, and after how many",
		Long: `Limits lists every limit that zombies run into here, how much of it is used, how
many more zombies fit and how much memory they hold by then, in the order in
which the limits are reached. With --rate it also says when.

The limits are those of this process, of the one that --pid names, or of the
cgroup that --cgroup names by its directory or by its path. Other processes
take room as well, the threads of zombench itself among them: the answer is
true now, and a little more fits when it has ended.

What a zombie takes is read from the result file that --from names, or else
from what zombench run has measured on this kernel (results/local/KERNEL.txt),
or else from the runs recorded with this program: of this kernel, or of the
nearest one of its architecture. The answer names the source.

Exit status: 0, or 1 if the zombies that --count asks for do not fit.`,
		Example: `  zombench limits
  zombench limits --rate 26/5m --cgroup /system.slice/cron.service
  zombench limits --pid 4711 --count 10000`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("count") && o.count == 0 {
				return usageErrorf("--count: 0: want 1 or more")
			}
			if cmd.Flags().Changed("cgroup") && o.cgroup == "" {
				return usageErrorf("--cgroup: the name is empty")
			}
			return answerLimits(cmd.OutOrStdout(), cmd.ErrOrStderr(), measure.Host(), o, time.Now())
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.rate, "rate", "", "`RATE` at which zombies are left behind, such as 26/5m: says when each limit is reached")
	f.Uint64Var(&o.count, "count", 0, "exit with status 1 if `N` more zombies do not fit")
	f.StringVar(&o.cgroup, "cgroup", "", "limits of this cgroup, by its directory or `PATH`")
	f.IntVar(&o.pid, "pid", 0, "limits of the process `PID` (default: of this one)")
	f.StringVar(&o.from, "from", "", "result `FILE` that says what a zombie takes")
	formatFlag(cmd, &o.format)
	return cmd
}

// answerLimits answers for the machine in kernel as it is now.
func answerLimits(stdout, stderr io.Writer, kernel measure.FS, o limitsOptions, now time.Time) error {
	if _, err := parseFormat(o.format); err != nil {
		return err
	}
	if o.pid < 0 {
		return usageErrorf("--pid: %d: want a process id", o.pid)
	}
	var every *limits.Rate
	if o.rate != "" {
		r, err := limits.ParseRate(o.rate)
		if err != nil {
			return usageErrorf("--rate: %w", err)
		}
		every = &r
	}
	machine, err := kernel.Machine()
	if err != nil {
		return err
	}
	each, err := findCost(o.from, machine)
	if err != nil {
		return err
	}
	q := each.query(limits.Query{PID: o.pid, Cgroup: o.cgroup, Count: o.count})
	found, err := headroom(kernel, q)
	if found == nil && err != nil {
		return err
	}
	if err != nil { // what could be read is good
		exitCode(stderr, fmt.Errorf("some limits could not be read and are left out: %w", err))
	}
	var inOrder []limits.Limit
	for _, b := range found {
		inOrder = append(inOrder, b.Limit)
	}
	refused := q.Check(inOrder)
	answer := limitsAnswer{bounds: found, query: q, each: each, rate: every, now: now, fit: refused == nil}
	if o.cgroup == "" { // of a cgroup nobody knows whose processes they will be
		if answer.dressed, err = limits.ReadDressed(kernel, o.pid); err != nil {
			exitCode(stderr, fmt.Errorf("some limits are left out: %w", err))
		}
	}
	if err := writeDoc(stdout, answer.doc(), o.format); err != nil {
		return err
	}
	if refused != nil {
		return fmt.Errorf("%d zombies do not fit: %w", o.count, refused)
	}
	return nil
}

// headroom reads how many zombies fit under each limit. What is returned beside
// an error is good, but not all.
func headroom(kernel measure.FS, q limits.Query) ([]limits.Headroom, error) {
	found, err := limits.Read(kernel, q)
	if err != nil {
		err = fmt.Errorf("reading the limits: %w", err)
	}
	return q.Headroom(found), err
}

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
			return humanBytes(n)
		}
		return strconv.FormatUint(n, 10)
	}
	s := number(l.Used) + " of " + number(l.Value)
	if !l.Binds {
		s += ", does not bind"
	}
	return s
}

// A limitsAnswer is what limits says.
type limitsAnswer struct {
	bounds []limits.Headroom // the one that is met first before the others
	query  limits.Query
	each   cost
	rate   *limits.Rate // nil: not asked
	now    time.Time
	fit    bool // those asked for

	dressed []limits.Limit // that zombies meet which keep more alive than themselves
}

// first says which limit is reached first, after how many zombies and when.
func (a limitsAnswer) first() string {
	if len(a.bounds) == 0 || !a.bounds[0].Bounded() {
		return "no limit applies to zombies here"
	}
	b := a.bounds[0]
	whose := cmp.Or(b.Owner, b.Where)
	if b.Fits == 0 {
		return fmt.Sprintf("no more zombies fit: %s is reached, %s used (%s)", b.Name, used(b.Limit), whose)
	}
	fit := "more zombies fit"
	if b.Fits == 1 {
		fit = "more zombie fits"
	}
	s := fmt.Sprintf("%d %s, then %s is reached (%s); they hold %s by then%s", b.Fits, fit, b.Name, whose, humanBytes(a.holds(b)), a.each.assumed())
	if a.rate != nil {
		s += fmt.Sprintf("; at %s that takes %s", a.rate, humanDuration(a.rate.After(b.Fits)))
		if d, ok := a.rate.After(b.Fits); ok {
			s += ", until " + a.now.Add(d).UTC().Format("2006-01-02 15:04 MST")
		}
	}
	return s
}

// holds returns how much memory the zombies that fit take, in bytes.
func (a limitsAnswer) holds(b limits.Headroom) uint64 {
	if b.Fits > math.MaxUint64/a.each.Pages {
		return math.MaxUint64
	}
	return b.Fits * a.each.Pages
}

// doc is the document: the limits that are set in a table, the rest in notes.
func (a limitsAnswer) doc() report.Doc {
	d := report.Doc{Title: "Limits", Facts: []string{a.first()}, Data: a.data()}
	t := report.Table{Columns: []report.Column{
		{Name: "limit", Left: true}, {Name: "more zombies"}, {Name: "they hold" + a.each.assumed(), Unit: "B"},
	}}
	if a.rate != nil {
		t.Columns = append(t.Columns, report.Column{Name: "reached in", Unit: "sec"})
	}
	t.Columns = append(t.Columns, report.Column{Name: "used", Left: true}, report.Column{Name: "where", Left: true}, report.Column{Name: "remedy", Left: true})
	var unlimited []string
	for _, b := range a.bounds {
		if b.Unlimited {
			if !slices.Contains(unlimited, b.Name) {
				unlimited = append(unlimited, b.Name)
			}
			continue
		}
		fits, holds, in := report.Words(unbounded), report.Words(""), report.Words("")
		if b.Bounded() {
			fits = report.Number(float64(b.Fits), strconv.FormatUint(b.Fits, 10))
			holds = report.Number(float64(a.holds(b)), humanBytes(a.holds(b)))
			if a.rate != nil {
				after, ok := a.rate.After(b.Fits)
				in = report.Number(after.Seconds(), humanDuration(after, ok))
				if !ok {
					in.Value = nil
				}
			}
		}
		row := []report.Cell{report.Words(b.Name), fits, holds}
		if a.rate != nil {
			row = append(row, in)
		}
		t.Rows = append(t.Rows, append(row, report.Words(used(b.Limit)), report.Words(place(b.Limit)), report.Words(a.query.Remedy(b.Limit).Text)))
	}
	if len(t.Rows) > 0 {
		d.Sections = []report.Section{{Tables: []report.Table{t.WithoutEmpty()}}}
	}
	if len(a.dressed) > 0 {
		d.Sections = append(d.Sections, a.dressedSection())
	}
	d.Notes = append(d.Notes, a.each.String())
	if len(unlimited) > 0 {
		d.Notes = append(d.Notes, "unlimited, here and in the cgroups above: "+strings.Join(unlimited, ", "))
	}
	switch {
	case a.query.Count == 0:
	case a.fit:
		d.Notes = append(d.Notes, plural(a.query.Count, "zombie")+" fit")
	default:
		d.Notes = append(d.Notes, plural(a.query.Count, "zombie")+" do not fit")
	}
	return d
}

// dressedSection lists what a zombie may keep alive besides itself, and how much
// of it there may be.
func (a limitsAnswer) dressedSection() report.Section {
	t := report.Table{Columns: []report.Column{
		{Name: "limit", Left: true}, {Name: "more"}, {Name: "of", Left: true}, {Name: "used", Left: true}, {Name: "where", Left: true},
	}}
	for _, l := range a.dressed {
		if l.Unlimited {
			continue
		}
		t.Rows = append(t.Rows, []report.Cell{
			report.Words(l.Name), report.Number(float64(l.Room()), strconv.FormatUint(l.Room(), 10)),
			report.Words(l.Unit), report.Words(used(l)), report.Words(place(l)),
		})
	}
	return report.Section{Heading: "What zombies may keep alive besides themselves", Tables: []report.Table{t.WithoutEmpty()}}
}

// A limitRecord is a bound for programs. A null is something that does not
// bound, or was not asked.
type limitRecord struct {
	Limit   string  `json:"limit"`
	Where   string  `json:"where"`
	Owner   string  `json:"owner,omitempty"`
	Value   *uint64 `json:"value"` // null: unlimited
	Used    uint64  `json:"used"`
	Unit    string  `json:"unit"` // of value and used
	Binds   bool    `json:"binds"`
	Fits    *uint64 `json:"zombies"`     // how many more fit
	Holds   *uint64 `json:"holds_bytes"` // slab pages that they hold by then
	AfterNs *int64  `json:"after_ns"`    // at the rate
	Remedy  string  `json:"remedy,omitempty"`
}

func (a limitsAnswer) records() []limitRecord {
	var all []limitRecord
	for _, b := range a.bounds {
		r := limitRecord{Limit: b.Name, Where: b.Where, Owner: b.Owner, Used: b.Used, Unit: b.Unit, Binds: b.Binds, Remedy: a.query.Remedy(b.Limit).Text}
		if !b.Unlimited {
			r.Value = &b.Value
		}
		if b.Bounded() {
			holds := a.holds(b)
			r.Fits, r.Holds = &b.Fits, &holds
			if a.rate != nil {
				if d, ok := a.rate.After(b.Fits); ok {
					ns := d.Nanoseconds()
					r.AfterNs = &ns
				}
			}
		}
		all = append(all, r)
	}
	return all
}

// dressedRecords are the limits of what else zombies keep alive, for programs.
func (a limitsAnswer) dressedRecords() (all []limitRecord) {
	for _, l := range a.dressed {
		r := limitRecord{Limit: l.Name, Where: l.Where, Owner: l.Owner, Used: l.Used, Unit: l.Unit, Binds: l.Binds}
		if !l.Unlimited {
			r.Value = &l.Value
		}
		all = append(all, r)
	}
	return all
}

// data is all of it, for programs.
func (a limitsAnswer) data() any {
	out := struct {
		Time   time.Time     `json:"time"`
		Zombie cost          `json:"zombie"`
		Rate   string        `json:"rate,omitempty"`
		Asked  uint64        `json:"asked,omitempty"` // zombies
		Fit    *bool         `json:"fit,omitempty"`   // those asked for
		Limits []limitRecord `json:"limits"`          // the one that is reached first before the others
		Beside []limitRecord `json:"kept_alive,omitempty"`
	}{Time: a.now.UTC(), Zombie: a.each, Limits: a.records(), Beside: a.dressedRecords()}
	if a.rate != nil {
		out.Rate = a.rate.String()
	}
	if a.query.Count > 0 {
		out.Asked, out.Fit = a.query.Count, &a.fit
	}
	return out
}
