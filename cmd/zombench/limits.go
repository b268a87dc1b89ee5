package main

import (
	"cmp"
	"encoding/csv"
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
		Short: "Tell which limit breaks first, and after how many zombies",
		Long: `Limits lists every limit that zombies meet here, how much of it is used, how
many more zombies fit and how much memory they hold by then, in the order in
which the limits break. With --rate it also tells when.

The limits are those of this process, of the one that --pid names, or of the
cgroup that --cgroup names by its directory or by its path. Other processes
take room as well, the threads of zombench itself among them: what it says is
true now, and a little more fits when it has ended.

What a zombie takes is read from the result file that --from names, or else
from what zombench run has measured on this kernel (results/local/KERNEL.txt,
then results/recorded). If nobody has, a figure on the safe side is assumed, and
the answer says so.

Exit status: 0, or 1 if the zombies that --count asks for do not fit.`,
		Example: `  zombench limits
  zombench limits --rate 26/5m --cgroup /system.slice/cron.service
  zombench limits --pid 4711 --count 10000`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("count") && o.count == 0 {
				return usageErrorf("--count: 0: nothing is asked for")
			}
			if cmd.Flags().Changed("cgroup") && o.cgroup == "" {
				return usageErrorf("--cgroup: the name is empty")
			}
			return answerLimits(cmd.OutOrStdout(), cmd.ErrOrStderr(), measure.Host(), o, time.Now())
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.rate, "rate", "", "zombies left behind in a time, such as `26/5m`: tells when the limits are met")
	f.Uint64Var(&o.count, "count", 0, "do so many `zombies` fit?")
	f.StringVar(&o.cgroup, "cgroup", "", "limits of this cgroup, by its directory or `path`")
	f.IntVar(&o.pid, "pid", 0, "limits of the process with this `number` (default: of this one)")
	f.StringVar(&o.from, "from", "", "result `file` that tells what a zombie takes")
	f.StringVar(&o.format, "format", "text", "format of the answer: text, markdown, csv or json")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(limitsFormats, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

var limitsFormats = []string{"text", "markdown", "csv", "json"}

// answerLimits answers for the machine in kernel as it is now.
func answerLimits(stdout, stderr io.Writer, kernel measure.FS, o limitsOptions, now time.Time) error {
	if !slices.Contains(limitsFormats, o.format) {
		return usageErrorf("--format: unknown format %q: want text, markdown, csv or json", o.format)
	}
	if o.pid < 0 {
		return usageErrorf("--pid: %d is no process", o.pid)
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
		exitCode(stderr, fmt.Errorf("some limits are left out: %w", err))
	}
	var inOrder []limits.Limit
	for _, b := range found {
		inOrder = append(inOrder, b.Limit)
	}
	refused := q.Check(inOrder)
	answer := limitsAnswer{bounds: found, query: q, each: each, rate: every, now: now, fit: refused == nil}
	write := map[string]func(io.Writer) error{
		"text": answer.text, "markdown": answer.markdown, "csv": answer.csv, "json": answer.json,
	}[o.format]
	if err := write(stdout); err != nil {
		return fmt.Errorf("writing the limits: %w", err)
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
}

// first says which limit breaks first, after how many zombies and when.
func (a limitsAnswer) first() string {
	if len(a.bounds) == 0 || !a.bounds[0].Bounded() {
		return "no limit was found that zombies would meet"
	}
	b := a.bounds[0]
	whose := cmp.Or(b.Owner, b.Where)
	if b.Fits == 0 {
		return fmt.Sprintf("no zombie fits any more: %s is met, %s used (%s)", b.Name, used(b.Limit), whose)
	}
	fit := "more zombies fit"
	if b.Fits == 1 {
		fit = "more zombie fits"
	}
	s := fmt.Sprintf("%d %s, then %s is met (%s); they hold %s by then%s", b.Fits, fit, b.Name, whose, humanBytes(a.holds(b)), a.each.assumed())
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

// table has the limits that are set; remarks names the rest.
func (a limitsAnswer) table() (header []string, rows [][]string) {
	header = []string{"limit", "more zombies", "they hold" + a.each.assumed()}
	if a.rate != nil {
		header = append(header, "met in")
	}
	header = append(header, "used", "where")
	for _, b := range a.bounds {
		if b.Unlimited {
			continue
		}
		row := []string{b.Name, unbounded, "", used(b.Limit), place(b.Limit)}
		if b.Bounded() {
			row[1], row[2] = strconv.FormatUint(b.Fits, 10), humanBytes(a.holds(b))
		}
		if a.rate != nil {
			in := ""
			if b.Bounded() {
				in = humanDuration(a.rate.After(b.Fits))
			}
			row = slices.Insert(row, 3, in)
		}
		rows = append(rows, row)
	}
	return header, rows
}

// remarks says what a zombie takes, and which limits could be set but are not.
func (a limitsAnswer) remarks() string {
	var names []string
	for _, b := range a.bounds {
		if b.Unlimited && !slices.Contains(names, b.Name) {
			names = append(names, b.Name)
		}
	}
	text := a.each.String()
	if len(names) > 0 {
		text += "\nnot limited, here or above: " + strings.Join(names, ", ")
	}
	switch {
	case a.query.Count == 0:
	case a.fit:
		text += "\n" + plural(a.query.Count, "zombie") + " fit"
	default:
		text += "\n" + plural(a.query.Count, "zombie") + " do not fit"
	}
	return text
}

func (a limitsAnswer) text(w io.Writer) error {
	header, rows := a.table()
	return writeText(w, a.first(), header, rows, a.remarks())
}

func (a limitsAnswer) markdown(w io.Writer) error {
	header, rows := a.table()
	return writeMarkdown(w, a.first(), header, rows, a.remarks())
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

func (a limitsAnswer) json(w io.Writer) error {
	out := struct {
		Time   time.Time     `json:"time"`
		Zombie cost          `json:"zombie"`
		Rate   string        `json:"rate,omitempty"`
		Asked  uint64        `json:"asked,omitempty"` // zombies
		Fit    *bool         `json:"fit,omitempty"`   // those asked for
		Limits []limitRecord `json:"limits"`          // the one that breaks first before the others
	}{Time: a.now.UTC(), Zombie: a.each, Limits: a.records()}
	if a.rate != nil {
		out.Rate = a.rate.String()
	}
	if a.query.Count > 0 {
		out.Asked, out.Fit = a.query.Count, &a.fit
	}
	return writeJSON(w, out)
}

func (a limitsAnswer) csv(w io.Writer) error {
	c := csv.NewWriter(w)
	c.Write([]string{"limit", "where", "owner", "value", "used", "unit", "binds", "zombies", "holds_bytes", "measured", "after_ns", "remedy"}) // the error is kept for c.Error
	for _, r := range a.records() {
		c.Write([]string{r.Limit, r.Where, r.Owner, optional(r.Value), strconv.FormatUint(r.Used, 10), r.Unit,
			strconv.FormatBool(r.Binds), optional(r.Fits), optional(r.Holds), strconv.FormatBool(a.each.Measured), optional(r.AfterNs), r.Remedy})
	}
	c.Flush()
	return c.Error()
}
