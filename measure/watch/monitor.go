package watch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"zombench/measure"
	"zombench/measure/bpf"
	"zombench/measure/lifecycle"
	"zombench/measure/limits"
	"zombench/measure/procs"
	"zombench/measure/taskscan"
)

// Options say what a Monitor follows.
type Options struct {
	FS     measure.FS
	Pages  uint64 // bytes of slab pages that a zombie takes
	Charge uint64 // bytes that its cgroup is charged for
	Room   lifecycle.Room
	NoBPF  bool // compare scans of /proc only
}

const (
	tick   = time.Second // how often what BPF counted is read
	window = 60          // ticks that a rate is taken from
	// A scan for zombies may take this part of the time; between scans they are
	// counted from births and deaths.
	scanShare = 0.01
	grace     = 30 * time.Second // that the kernel may take to free what was reaped
	describe  = 50               // parents of which /proc is asked in a tick
	listed    = 50               // parents in a Report
	forecast  = 3                // parents whose limits are read
)

// A Monitor follows zombies from Open until it is closed. It is not for use by
// several goroutines at once.
type Monitor struct {
	o       Options
	tracer  *lifecycle.Tracer // nil: compares scans
	scanner *taskscan.Scanner // nil: scans /proc
	counter *taskscan.Counter // nil: no tasks are counted
	unseen  []string

	seconds []float64 // that each tick of the window took
	all     []int64   // growth in each
	parents map[lifecycle.ID]*parent
	byPID   map[int]*parent
	reading *lifecycle.Reading
	folded  map[string]*folded
	labels  labels

	ticked, reported, scanned time.Time
	scanTook                  time.Duration
	zombies                   int // at the last scan
	grown                     int64
	users                     map[uint64]uint64 // tasks of each at the last scan; nil: not counted
	askedUsers                bool              // the next scan is to count them
	removed                   int
	leaders                   []procs.Leader
	allAtReport               lifecycle.Counts
	latencyAtReport           lifecycle.Latency
}

// A parent is what a Monitor knows of a process.
type parent struct {
	id               lifecycle.ID
	pid              int
	name, child      string
	ended            bool
	counts, reported lifecycle.Counts
	latency          lifecycle.Latency
	zombies          int   // at the last scan
	grown            int64 // since
	oldest           time.Time
	growth           []int64 // in each tick of the window; nil: none
	described        bool
	command          string
	uid              uint64
	groups           measure.Membership
	place            procs.Place
	label            *Labelled
}

// folded are parents of one name that have ended, as they are counted.
type folded struct {
	counts   lifecycle.Counts // of them
	before   lifecycle.Counts // that they had when they were listed by themselves
	parents  uint64
	reported lifecycle.Counts
	ended    uint64
	label    *Labelled
}

// Open begins to follow. Without BPF, or without the rights for it, the Monitor
// compares scans, and its reports say so.
func Open(o Options) (*Monitor, error) {
	m := &Monitor{o: o, parents: make(map[lifecycle.ID]*parent), byPID: make(map[int]*parent), folded: make(map[string]*folded), labels: make(labels)}
	err := errors.New("it is not wanted")
	if !o.NoBPF {
		err = m.openBPF()
	}
	if err != nil {
		m.Close()
		m.tracer, m.scanner, m.counter = nil, nil, nil
		m.unseen = []string{
			"no BPF: " + err.Error(),
			"births, deaths and reaps, how long the dead wait, and parents and zombies that come and go between two scans are not seen",
		}
	}
	now := time.Now()
	m.ticked, m.reported = now, now
	if m.tracer != nil {
		if m.reading, err = m.tracer.Read(); err != nil {
			m.Close()
			return nil, err
		}
		m.allAtReport = m.reading.All
		m.update(now)
	}
	if err := m.scan(now); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func (m *Monitor) openBPF() error {
	types, err := bpf.Load(measure.Host())
	if err != nil {
		return err
	}
	defer debug.FreeOSMemory() // the kernel's types may take more than all the rest
	defer types.Close()
	if m.scanner, err = taskscan.NewWith(types); err != nil {
		return err
	}
	if m.counter, err = taskscan.NewCounterWith(types); err != nil {
		return err
	}
	m.tracer, err = lifecycle.Start(types, m.scanner.Level(), m.o.Room)
	return err
}

// Close ends it.
func (m *Monitor) Close() {
	if m.tracer != nil {
		m.tracer.Close()
	}
	if m.scanner != nil {
		m.scanner.Close()
	}
	if m.counter != nil {
		m.counter.Close()
	}
}

// Unseen says what the Monitor cannot see, and why; nothing if it sees all.
func (m *Monitor) Unseen() []string { return m.unseen }

// Run calls report every interval until ctx ends or report fails.
func (m *Monitor) Run(ctx context.Context, interval time.Duration, report func(*Report) error) error {
	each := min(tick, interval)
	ticker := time.NewTicker(each)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			due := now.Sub(m.reported) >= interval-each/2
			if m.tracer != nil {
				if err := m.Tick(now); err != nil {
					return err
				}
			}
			if !due {
				continue
			}
			r, err := m.Report(now)
			if err == nil {
				err = report(r)
			}
			if err != nil {
				return err
			}
		}
	}
}

// Tick reads what BPF has counted.
func (m *Monitor) Tick(now time.Time) error {
	before := m.reading.All
	var err error
	if m.reading, err = m.tracer.Read(); err != nil {
		return err
	}
	m.advance(now, m.reading.All.Growth()-before.Growth())
	m.update(now)
	return nil
}

// advance begins a tick of the window.
func (m *Monitor) advance(now time.Time, growth int64) {
	drop := max(0, len(m.all)+1-window)
	m.seconds = append(m.seconds[drop:], max(now.Sub(m.ticked).Seconds(), 1e-3))
	m.all = append(m.all[drop:], growth)
	m.ticked = now
	m.grown += growth
	for _, p := range m.parents {
		if p.growth != nil {
			p.growth = append(p.growth[min(drop, len(p.growth)):], 0)
		}
	}
}

// grow counts the growth of a parent in the present tick.
func (m *Monitor) grow(p *parent, n int64) {
	p.grown += n
	if n == 0 || len(m.all) == 0 {
		return
	}
	if p.growth == nil {
		p.growth = make([]int64, len(m.all), window+1)
	}
	p.growth[len(p.growth)-1] += n
}

// update takes over what was read.
func (m *Monitor) update(now time.Time) {
	seen := make(map[lifecycle.ID]bool, len(m.reading.Parents))
	asked := 0
	for i := range m.reading.Parents {
		r := &m.reading.Parents[i]
		seen[r.ID] = true
		p := m.parents[r.ID]
		if p == nil {
			if p = m.byPID[r.PID]; p == nil || p.id.Start != 0 || r.PID == 0 {
				p = &parent{pid: r.PID}
			} else {
				delete(m.parents, p.id) // the scan has found it first
			}
			p.id = r.ID
			m.parents[r.ID] = p
			m.byPID[r.PID] = p
		}
		p.name, p.child, p.ended, p.latency = r.Command, r.Child, r.Ended, r.Latency
		if !p.described && !p.ended && asked < describe {
			m.describe(p)
			asked++
		}
		delta := r.Counts.Sub(p.counts)
		m.grow(p, delta.Growth())
		p.counts = r.Counts
		m.labels.add(&p.label, Labels{p.name, p.place}, delta)
	}
	for id, p := range m.parents {
		if !seen[id] && (id.Start != 0 || p.zombies == 0) {
			if id.Start != 0 {
				f := m.fold(p.name)
				f.before = f.before.Plus(p.counts)
				f.reported = f.reported.Plus(p.counts.Sub(p.reported)) // and no Report has told
			}
			delete(m.parents, id)
			if m.byPID[p.pid] == p {
				delete(m.byPID, p.pid)
			}
		}
	}
	for _, c := range m.reading.Commands {
		f := m.fold(c.Name)
		f.parents = c.Parents
		// Of what is new in it, the parents had some when they were listed.
		fresh := f.counts.Plus(f.before)
		if c.Counts.Deaths >= fresh.Deaths && c.Counts.Reaps >= fresh.Reaps && c.Counts.Births >= fresh.Births {
			delta := c.Counts.Sub(fresh)
			f.counts, f.before = c.Counts, lifecycle.Counts{}
			f.reported = f.reported.Plus(delta)
			m.labels.add(&f.label, Labels{Command: c.Name}, delta)
		}
	}
}

func (m *Monitor) fold(name string) *folded {
	f := m.folded[name]
	if f == nil {
		f = new(folded)
		m.folded[name] = f
	}
	return f
}

// describe asks /proc about a parent.
func (m *Monitor) describe(p *parent) {
	p.described = true
	p.command, _ = m.o.FS.Command(p.pid)
	if s, err := m.o.FS.Status(p.pid); err == nil {
		p.uid = s.UID
		if p.name == "" {
			p.name = s.Name
		}
	}
	p.groups, _ = m.o.FS.Cgroups(p.pid)
	p.place = procs.PlaceOf(p.groups.Listed())
}

// look scans. Reaps that the kernel did not pass on are found by the way: by those
// who are dead and in no scan, which may be told where all processes are seen.
func (m *Monitor) look() (*procs.Found, error) {
	switch {
	case m.scanner == nil:
		return procs.Look(procs.ByProc(m.o.FS), 0)
	case m.scanner.Level() > 0:
		return procs.Look(m.scanner.Scan, 0)
	}
	dead, err := m.tracer.Dead()
	if err != nil {
		return nil, err
	}
	found, err := procs.Look(func(each func(*taskscan.Task)) error {
		return m.scanner.Scan(func(k *taskscan.Task) {
			delete(dead, k.Start)
			each(k)
		})
	}, 0)
	if err != nil {
		return nil, err
	}
	return found, m.tracer.Recover(dead, grace)
}

// scan looks for the zombies that stand.
func (m *Monitor) scan(now time.Time) error {
	start := time.Now()
	found, err := m.look()
	if err != nil {
		return fmt.Errorf("looking for zombies: %w", err)
	}
	m.scanTook, m.scanned = time.Since(start), now
	m.zombies, m.grown, m.removed = found.Zombies, 0, 0
	if m.users = nil; m.askedUsers {
		m.askedUsers, m.users = false, make(map[uint64]uint64)
		if err := m.counter.Count(func(k measure.Task) { m.users[k.UID]++ }); err != nil {
			return err
		}
	}
	m.leaders = found.DescribeLeaders(m.o.FS)
	for pid, f := range found.Parents {
		m.removed += f.Removed
		p := m.byPID[pid]
		if p == nil {
			p = &parent{pid: pid, id: lifecycle.ID{TGID: uint64(pid)}}
			m.parents[p.id], m.byPID[pid] = p, p
		}
		if !p.described {
			m.describe(p)
		}
	}
	for _, p := range m.parents {
		f := found.Parents[p.pid]
		if f == nil || p.ended {
			f = new(procs.Parent)
		}
		if m.tracer == nil {
			m.grow(p, int64(f.Zombies-p.zombies))
		}
		p.zombies, p.grown, p.oldest = f.Zombies, 0, time.Time{}
		if f.Dead != nil {
			p.oldest = start.Add(-*f.Dead)
		}
	}
	return nil
}

// Report tells of the interval since the last one. It scans if enough time has
// passed since it last did.
func (m *Monitor) Report(now time.Time) (*Report, error) {
	switch {
	case m.tracer == nil:
		before := m.zombies
		m.advance(now, 0)
		if err := m.scan(now); err != nil {
			return nil, err
		}
		m.all[len(m.all)-1] = int64(m.zombies - before)
	case now.Sub(m.scanned).Seconds()*scanShare >= m.scanTook.Seconds():
		if err := m.scan(now); err != nil {
			return nil, err
		}
	}
	r := &Report{
		Time: now, Elapsed: now.Sub(m.reported), Source: ProcScan, Unseen: m.unseen,
		Zombies: int(max(0, int64(m.zombies)+m.grown)), Growth: m.growth(m.all), Removed: m.removed,
		Leaders: slices.Clone(m.leaders), Labelled: m.labels.copy(), Parents: []Parent{}, Forecasts: []Forecast{},
	}
	r.Bytes = uint64(r.Zombies) * m.o.Pages
	m.reported = now
	if m.tracer != nil {
		r.Source = BPF
		r.All, r.Histogram = m.reading.All, m.reading.Latency
		delta := r.All.Sub(m.allAtReport)
		r.Born, r.Arose, r.Reaped = &delta.Births, &delta.Deaths, &delta.Reaps
		r.Latency = waitsOf(r.Histogram.Sub(m.latencyAtReport))
		r.Lost, r.Untimed = m.reading.Lost, m.reading.Untimed
		m.allAtReport, m.latencyAtReport = r.All, r.Histogram
	}
	for _, p := range m.parents {
		delta := p.counts.Sub(p.reported)
		p.reported = p.counts
		zombies := int(max(0, int64(p.zombies)+p.grown))
		if zombies == 0 && delta == (lifecycle.Counts{}) {
			continue
		}
		line := Parent{
			PID: p.pid, Name: p.name, Command: p.command, Cgroup: p.groups.Listed(), Place: p.place, Ended: p.ended, Child: p.child,
			Zombies: zombies, Bytes: uint64(zombies) * m.o.Pages,
			Born: delta.Births, Arose: delta.Deaths, Reaped: delta.Reaps,
			Growth: m.growth(p.growth), Latency: waitsOf(p.latency),
		}
		if zombies > 0 && !p.oldest.IsZero() {
			age := now.Sub(p.oldest)
			line.Oldest = &age
		}
		r.Parents = append(r.Parents, line)
	}
	slices.SortFunc(r.Parents, func(a, b Parent) int {
		return cmp.Or(b2i(b.Growth.Leak)-b2i(a.Growth.Leak), cmp.Compare(b.Zombies, a.Zombies), cmp.Compare(b.Arose, a.Arose), cmp.Compare(a.PID, b.PID))
	})
	var who []*parent
	for _, p := range r.Parents[:min(len(r.Parents), forecast)] {
		if known := m.byPID[p.PID]; known != nil && !p.Ended {
			who = append(who, known)
		}
	}
	r.Forecasts = m.forecasts(who)
	r.Parents = r.Parents[:min(len(r.Parents), listed)]
	for name, f := range m.folded {
		if d := f.reported; d != (lifecycle.Counts{}) {
			r.Commands = append(r.Commands, Command{Name: name, Ended: f.parents - f.ended, Born: d.Births, Arose: d.Deaths, Reaped: d.Reaps})
		}
		f.reported, f.ended = lifecycle.Counts{}, f.parents
	}
	slices.SortFunc(r.Commands, func(a, b Command) int { return cmp.Or(cmp.Compare(b.Arose, a.Arose), cmp.Compare(a.Name, b.Name)) })
	r.Commands = r.Commands[:min(len(r.Commands), listed)]
	return r, nil
}

// Snapshot is a Report of a single scan: of no interval, and without rates.
func Snapshot(o Options, found *procs.Result, now time.Time) *Report {
	m := &Monitor{o: o}
	r := &Report{Time: now, Source: ProcScan, Zombies: found.Zombies, Bytes: uint64(found.Zombies) * o.Pages, Leaders: found.Leaders}
	for _, p := range found.Parents {
		name := p.Name
		if name == "" {
			name = p.Command
		}
		r.Parents = append(r.Parents, Parent{
			PID: p.PID, Name: name, Command: p.Command, Cgroup: p.Cgroup, Place: p.Place,
			Zombies: p.Zombies, Bytes: uint64(p.Zombies) * o.Pages, Oldest: p.Dead,
		})
		r.Removed += p.Removed
	}
	var who []*parent
	for _, p := range found.Parents[:min(len(found.Parents), forecast)] {
		if g, err := o.FS.Cgroups(p.PID); err == nil && p.PID != 0 {
			who = append(who, &parent{pid: p.PID, groups: g})
		}
	}
	r.Forecasts = m.forecasts(who)
	return r
}

// growth estimates from the ticks since the first in which there was any.
func (m *Monitor) growth(ticks []int64) Growth {
	skip := slices.IndexFunc(ticks, func(n int64) bool { return n != 0 })
	if skip < 0 {
		skip = 0
	}
	ticks = ticks[skip:]
	seconds := m.seconds[len(m.seconds)-len(ticks):]
	blocks := make([]block, len(ticks))
	for i := range ticks {
		blocks[i] = block{ticks[i], seconds[i]}
	}
	return growthOf(blocks)
}

// forecasts reads the limits of the whole machine, and those of some parents' users
// and cgroups.
func (m *Monitor) forecasts(who []*parent) []Forecast {
	q := limits.Query{BytesPerZombie: m.o.Pages, ChargePerZombie: m.o.Charge}
	forecasts := []Forecast{}
	known := make(map[string]bool)
	add := func(ticks []int64, found ...limits.Limit) {
		for _, h := range q.Headroom(found) {
			if !h.Bounded() || known[h.Name+h.Where] {
				continue
			}
			known[h.Name+h.Where] = true
			f := Forecast{Limit: h.Name, Where: h.Where, Owner: h.Owner, Headroom: h.Fits}
			f.In, f.Lo, f.Hi, f.Grows = m.growth(ticks).After(h.Fits)
			forecasts = append(forecasts, f)
		}
	}
	found, _ := limits.ReadMachine(m.o.FS) // what cannot be read is left out
	add(m.all, found...)
	for _, p := range who {
		bounds, _ := limits.ReadCgroups(m.o.FS, p.groups)
		for _, l := range bounds {
			add(m.below(l), l)
		}
		if l, ticks, ok := m.userLimit(p); ok {
			add(ticks, l)
		}
	}
	slices.SortStableFunc(forecasts, func(a, b Forecast) int {
		if a.Grows != b.Grows {
			return cmp.Compare(b2i(b.Grows), b2i(a.Grows))
		}
		return cmp.Or(cmp.Compare(a.In, b.In), cmp.Compare(a.Headroom, b.Headroom))
	})
	return forecasts
}

// userLimit returns RLIMIT_NPROC of a parent, if it binds, with the tasks that its
// user had at the last scan and the zombies that have come since; and how they grew.
func (m *Monitor) userLimit(p *parent) (l limits.Limit, ticks []int64, ok bool) {
	if m.counter == nil {
		return l, nil, false
	}
	l, uid, ok := limits.ReadUser(m.o.FS, p.pid)
	if !ok {
		return l, nil, false
	}
	if m.askedUsers = true; m.users == nil {
		return l, nil, false // the next scan counts
	}
	ticks, _ = m.sum(func(p *parent) bool { return p.uid == uid })
	l.Used = m.users[uid]
	for _, p := range m.parents {
		if p.uid == uid {
			l.Used += uint64(p.grown)
		}
	}
	return l, ticks, true
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// below sums up the growth of what counts against a limit: a cgroup's, of the
// parents in it and below it; any other's, of all.
func (m *Monitor) below(l limits.Limit) []int64 {
	dir := filepath.Dir(l.Where)
	sum, any := m.sum(func(p *parent) bool { return within(p.groups, "pids", dir) || within(p.groups, "memory", dir) })
	if !any {
		return m.all
	}
	return sum
}

// sum sums up the growth of some parents, and reports whether there are any.
func (m *Monitor) sum(of func(*parent) bool) (sum []int64, any bool) {
	sum = make([]int64, len(m.all))
	for _, p := range m.parents {
		if !of(p) {
			continue
		}
		any = true
		for i, n := range p.growth {
			sum[len(sum)-len(p.growth)+i] += n
		}
	}
	return sum, any
}

// within reports whether a cgroup, by the hierarchy of a controller, is that of a
// directory or below it.
func within(groups measure.Membership, controller, dir string) bool {
	h, err := groups.Controller(controller)
	return err == nil && (h.Dir() == dir || strings.HasPrefix(h.Dir(), dir+"/"))
}
