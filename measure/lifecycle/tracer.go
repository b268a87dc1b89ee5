package lifecycle

import (
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"zombench/measure/bpf"
)

// Counts of processes since the start. They only grow.
type Counts struct {
	Births uint64 // started
	Deaths uint64 // all threads ended
	Reaps  uint64 // freed by the kernel, which is a grace period of RCU after the reap
}

// Plus returns the sum of both.
func (c Counts) Plus(d Counts) Counts {
	return Counts{c.Births + d.Births, c.Deaths + d.Deaths, c.Reaps + d.Reaps}
}

// Sub returns what came since an earlier reading.
func (c Counts) Sub(earlier Counts) Counts {
	return Counts{c.Births - earlier.Births, c.Deaths - earlier.Deaths, c.Reaps - earlier.Reaps}
}

// Growth is how many zombies more there are.
func (c Counts) Growth() int64 { return int64(c.Deaths - c.Reaps) }

// An ID is a process, for as long as the machine runs.
type ID struct {
	TGID  uint64        // its pid in the initial pid namespace
	Start time.Duration // after boot
}

// A Parent is a process of which children were started, died or were reaped.
// Children count for the parent that they had then; reaps for the parent that
// they had when they died, whoever has reaped them.
type Parent struct {
	ID      ID
	PID     int    // in the reader's pid namespace; 0 if it is outside
	Command string // its name, at most 15 bytes
	Child   string // the name of the child that died last
	Ended   bool   // it was itself reaped, and has left zombies
	Counts
	Latency Latency
}

// A Command sums up the parents of one name that were reaped and have left no
// zombies.
type Command struct {
	Name    string
	Parents uint64
	Counts
}

// A Reading is what happened since the start, on the whole machine.
type Reading struct {
	All      Counts
	Latency  Latency
	Parents  []Parent  // in no particular order
	Commands []Command // in no particular order
	Other    Counts    // of parents that there was no room for, or that are not known
	Untimed  uint64    // deaths that there was no room for, and reaps that Recover has found: they are in no latency
	Lost     uint64    // events that the kernel left out, for it was at work on another on the same CPU: 7.2 does where it is preempted. It counts them since 5.12. Without those that Recover has found
}

// Room says how much the maps may hold. The kernel takes the memory as they fill,
// but for 16 B each.
type Room struct {
	Parents int // alive, or with zombies; 2 KiB each
	Dead    int // that were not reaped; 96 B each
}

// DefaultRoom takes 0.6 MiB at first, and 7 MiB if it is full.
func DefaultRoom() Room { return Room{Parents: 2048, Dead: 32_768} }

const commandRoom = 256

// A Tracer counts from Start until it is closed. It is not for use by several
// goroutines at once.
type Tracer struct {
	parents, dead, shared, byName *ebpf.Map

	programs []*ebpf.Program
	links    []link.Link

	recovered recovered

	// Of Read, which comes often.
	reading Reading
	keys    [][keySize]byte
	values  []entry
}

// Start begins to count. The level is that of the reader's pid namespace, see
// bpf.Types.NamespaceLevel. Errors are measure.ErrNotSupported and
// measure.ErrNotPermitted, or others if it cannot be told.
func Start(types *bpf.Types, level uint32, room Room) (*Tracer, error) {
	t := new(Tracer)
	if err := t.start(types, level, room); err != nil {
		t.Close()
		return nil, fmt.Errorf("following births and deaths: %w", err)
	}
	return t, nil
}

func (t *Tracer) start(types *bpf.Types, level uint32, room Room) error {
	_ = rlimit.RemoveMemlock() // what is missing, loading says
	for _, m := range []struct {
		to         **ebpf.Map
		name       string
		kind       ebpf.MapType
		key, value uint32
		entries    int
		flags      uint32
	}{
		{&t.parents, "zb_parents", ebpf.Hash, keySize, entrySize, room.Parents, unix.BPF_F_NO_PREALLOC},
		{&t.dead, "zb_dead", ebpf.Hash, keySize, deadSize, room.Dead, unix.BPF_F_NO_PREALLOC},
		{&t.byName, "zb_commands", ebpf.Hash, 16, entrySize, commandRoom, unix.BPF_F_NO_PREALLOC},
		{&t.shared, "zb_shared", ebpf.Array, 4, entrySize, sharedCount, 0},
	} {
		var err error
		*m.to, err = ebpf.NewMap(&ebpf.MapSpec{Name: m.name, Type: m.kind, KeySize: m.key, ValueSize: m.value, MaxEntries: uint32(m.entries), Flags: m.flags})
		if err != nil {
			return bpf.Classify(fmt.Errorf("making a map: %w", err))
		}
	}
	p := programs{types: types, level: level, parents: t.parents, dead: t.dead, shared: t.shared, byName: t.byName}
	// In this order, so that no death is counted of which the reap is not.
	for _, tp := range []struct {
		name string
		code asm.Instructions
	}{
		{"sched_process_free", p.free()},
		{"sched_process_wait", p.wait()},
		{"sched_process_exit", p.exit()},
		{"sched_process_fork", p.fork()},
	} {
		program, err := types.NewTracepoint("zb_"+tp.name[len("sched_process_"):], tp.name, tp.code)
		if err != nil {
			return err
		}
		t.programs = append(t.programs, program)
		l, err := bpf.AttachTracepoint(program)
		if err != nil {
			return err
		}
		t.links = append(t.links, l)
	}
	return nil
}

// Close ends the counting.
func (t *Tracer) Close() {
	for _, l := range t.links {
		l.Close()
	}
	for _, p := range t.programs {
		p.Close()
	}
	for _, m := range []*ebpf.Map{t.parents, t.dead, t.shared, t.byName} {
		if m != nil {
			m.Close()
		}
	}
}

// Read returns the sums so far. They are not of one instant: what happens
// meanwhile may be in some of them. The next Read overwrites them.
func (t *Tracer) Read() (*Reading, error) {
	t.reading = Reading{Parents: t.reading.Parents[:0], Commands: t.reading.Commands[:0]}
	if err := t.read(&t.reading); err != nil {
		return nil, fmt.Errorf("reading what was counted: %w", err)
	}
	return &t.reading, nil
}

func (t *Tracer) read(r *Reading) error {
	if t.keys == nil {
		const batch = 64
		t.keys, t.values = make([][keySize]byte, batch), make([]entry, batch)
	}
	var e entry
	if err := t.shared.Lookup(uint32(sharedOther), &e); err != nil {
		return err
	}
	r.Other = e.counts()
	err := each(t.byName, t.keys, t.values, func(key [keySize]byte, e *entry) {
		r.Commands = append(r.Commands, Command{Name: unix.ByteSliceToString(key[:]), Parents: e.u64(offEnded), Counts: e.counts()})
	})
	if err != nil {
		return err
	}
	err = each(t.parents, t.keys, t.values, func(key [keySize]byte, e *entry) {
		r.Parents = append(r.Parents, Parent{
			ID:      idOf(key[:]),
			PID:     int(e.u64(offPID)),
			Command: unix.ByteSliceToString(e[offComm : offComm+16]), Child: unix.ByteSliceToString(e[offChild : offChild+16]),
			Ended: e.u64(offEnded) != 0, Counts: e.counts(), Latency: e.latency(),
		})
	})
	if err != nil {
		return err
	}
	if err := t.shared.Lookup(uint32(sharedAll), &e); err != nil {
		return err
	}
	r.All, r.Latency, r.Untimed = e.counts(), e.latency(), e.u64(offMissed)
	for _, p := range t.programs {
		if s, err := p.Stats(); err == nil {
			r.Lost += s.RecursionMisses
		}
	}
	t.recovered.addTo(r)
	return nil
}

// each calls do for every entry of a map, as many of which are read at a time as keys
// and values have room for.
func each[K, V any](m *ebpf.Map, keys []K, values []V, do func(K, *V)) error {
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookup(&cursor, keys, values, nil)
		last := errors.Is(err, ebpf.ErrKeyNotExist)
		if err != nil && !last {
			return err
		}
		for i := range n {
			do(keys[i], &values[i])
		}
		if last {
			return nil
		}
	}
}
