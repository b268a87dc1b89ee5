package lifecycle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// recovered are reaps that the kernel did not pass on, and that a scan has found:
// 7.2 leaves out what preempts another event, and the kernels of some sandboxes
// what happens while one of their own threads is on the CPU.
type recovered struct {
	missing map[ID]time.Time // dead that scans do not show, since when
	parents map[ID]*account
	other   uint64             // reaps of parents that there was no room for
	all     uint64             // reaps
	ended   map[string]Command // parents that would stay in the map for the reaps that did not come
}

// An account is what was recovered of a parent.
type account struct {
	reaps uint64
	ended bool // its own reap was
}

// Dead returns those that were seen to die and not to be reaped, by their births:
// no two have the same.
func (t *Tracer) Dead() (map[time.Duration]ID, error) {
	const batch = 512
	all := make(map[time.Duration]ID)
	err := each(t.dead, make([][keySize]byte, batch), make([][deadSize]byte, batch), func(key [keySize]byte, _ *[deadSize]byte) {
		id := idOf(key[:])
		all[id.Start] = id
	})
	if err != nil {
		return nil, fmt.Errorf("reading the dead: %w", err)
	}
	return all, nil
}

// Recover counts as reaped those of Dead that a scan, begun after it, did not show,
// if that has been so for longer than a grace period of RCU may take. Their
// latency is not known.
func (t *Tracer) Recover(gone map[time.Duration]ID, grace time.Duration) error {
	r := &t.recovered
	if r.missing == nil {
		r.missing, r.parents, r.ended = make(map[ID]time.Time), make(map[ID]*account), make(map[string]Command)
	}
	now := time.Now()
	for id := range r.missing {
		if _, ok := gone[id.Start]; !ok {
			delete(r.missing, id)
		}
	}
	for _, id := range gone {
		if since, ok := r.missing[id]; !ok {
			r.missing[id] = now
		} else if now.Sub(since) >= grace {
			if err := t.recover(id); err != nil {
				return fmt.Errorf("recovering a reap: %w", err)
			}
			delete(r.missing, id)
		}
	}
	for parent, a := range r.parents {
		if err := t.fold(parent, a); err != nil {
			return fmt.Errorf("recovering a reap: %w", err)
		}
	}
	return nil
}

// recover counts a reap, unless it has come at last.
func (t *Tracer) recover(id ID) error {
	var dead [deadSize]byte
	err := t.dead.Lookup(id.key(), &dead)
	if err == nil {
		err = t.dead.Delete(id.key())
	}
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	t.recovered.account(idOf(dead[deadParent:])).reaps++
	t.recovered.account(id).ended = true
	t.recovered.all++
	return nil
}

func (r *recovered) account(id ID) *account {
	if r.parents[id] == nil {
		r.parents[id] = new(account)
	}
	return r.parents[id]
}

// fold takes a parent out of the map if it was reaped and has left no zombies, as
// the kernel does where it has counted all of it.
func (t *Tracer) fold(parent ID, a *account) error {
	r := &t.recovered
	var e entry
	err := t.parents.Lookup(parent.key(), &e)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		r.other += a.reaps
		delete(r.parents, parent)
		return nil
	}
	if err != nil || !a.ended && e.u64(offEnded) == 0 || e.u64(offStanding) > a.reaps {
		return err
	}
	if err := t.parents.Delete(parent.key()); err != nil {
		return err
	}
	c := e.counts()
	c.Reaps += a.reaps
	name := unix.ByteSliceToString(e[offComm : offComm+16])
	r.ended[name] = Command{name, r.ended[name].Parents + 1, r.ended[name].Plus(c)}
	delete(r.parents, parent)
	return nil
}

// addTo adds what was recovered to what the kernel has counted.
func (r *recovered) addTo(to *Reading) {
	to.All.Reaps += r.all
	to.Other.Reaps += r.other
	to.Untimed += r.all
	to.Lost -= min(to.Lost, r.all)
	for i := range to.Parents {
		if a := r.parents[to.Parents[i].ID]; a != nil {
			to.Parents[i].Reaps += a.reaps
		}
	}
	counted := make(map[string]bool)
	for i := range to.Commands {
		c := &to.Commands[i]
		counted[c.Name] = true
		c.Parents += r.ended[c.Name].Parents
		c.Counts = c.Plus(r.ended[c.Name].Counts)
	}
	for name, c := range r.ended {
		if !counted[name] {
			to.Commands = append(to.Commands, c)
		}
	}
}

func idOf(key []byte) ID {
	return ID{binary.NativeEndian.Uint64(key[keyTGID:]), nanoseconds(binary.NativeEndian.Uint64(key[keyStart:]))}
}

func (id ID) key() (key [keySize]byte) {
	binary.NativeEndian.PutUint64(key[keyTGID:], id.TGID)
	binary.NativeEndian.PutUint64(key[keyStart:], uint64(id.Start))
	return key
}
