package lifecycle

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"zombench/measure/bpf"
)

// programs puts the BPF programs together. They keep to these registers: R9 is
// the entry of a parent, R8 that of all, R7 a parent's main thread, R6 a child's.
// Below the frame pointer:
const (
	stackKey    = -16 // of a parent
	stackDead   = -32 // key of the dead
	stackValue  = -56 // of the dead
	stackWord   = -64
	stackNumber = -72
	stackKept   = -96 // 3 counts
)

const (
	eexist = 17
	// NOEXIST of map_update_elem.
	noExist = 1
)

type programs struct {
	types                         *bpf.Types
	level                         uint32
	parents, dead, shared, byName *ebpf.Map
}

// label makes a place to jump to.
func label(name string) asm.Instructions {
	return asm.Instructions{asm.Mov.Imm(asm.R1, 0).WithSymbol(name)}
}

// call calls a helper for the element of a map whose key is on the stack.
func call(helper asm.BuiltinFunc, m *ebpf.Map, key int32) asm.Instructions {
	return append(bpf.OnStack(asm.R2, key), asm.LoadMapPtr(asm.R1, m.FD()), helper.Call())
}

// lookup is R0 = &map[key at the stack].
func lookup(m *ebpf.Map, key int32) asm.Instructions { return call(asm.FnMapLookupElem, m, key) }

// insert adds what R3 points to, unless the map has the key.
func insert(m *ebpf.Map, key int32) asm.Instructions {
	return append(asm.Instructions{asm.Mov.Imm(asm.R4, noExist)}, call(asm.FnMapUpdateElem, m, key)...)
}

// lookupNew is lookup of what is not there: an element without counts, if there is room.
func (p *programs) lookupNew(m *ebpf.Map, key int32) asm.Instructions {
	return slices.Concat(p.element(sharedZero), asm.Instructions{asm.Mov.Reg(asm.R3, asm.R0)}, insert(m, key), lookup(m, key))
}

// element is R0 = &shared[i], and the end if there is none, which cannot be.
func (p *programs) element(i int64) asm.Instructions {
	return slices.Concat(asm.Instructions{asm.StoreImm(asm.RFP, stackWord, i, asm.Word)},
		lookup(p.shared, stackWord), asm.Instructions{asm.JEq.Imm(asm.R0, 0, "end")})
}

// key writes the key of the process whose main thread is in task to the stack.
func (p *programs) key(task asm.Register, at int16) asm.Instructions {
	return asm.Instructions{
		p.types.LoadMember(asm.R1, task, "task_struct.tgid"),
		asm.StoreMem(asm.RFP, at+keyTGID, asm.R1, asm.DWord),
		p.types.LoadMember(asm.R1, task, "task_struct.start_boottime"),
		asm.StoreMem(asm.RFP, at+keyStart, asm.R1, asm.DWord),
	}
}

// parentOf is R7 = the main thread of the parent of the task.
func (p *programs) parentOf(task asm.Register) asm.Instructions {
	return asm.Instructions{
		p.types.LoadMember(asm.R7, task, "task_struct.real_parent"),
		asm.JEq.Imm(asm.R7, 0, "end"),
		p.types.LoadMember(asm.R7, asm.R7, "task_struct.group_leader"),
		asm.JEq.Imm(asm.R7, 0, "end"),
	}
}

// entries is R9 = the entry of the parent in R7, which is made if need be, and
// R8 = the entry of all.
func (p *programs) entries() asm.Instructions {
	comm, _ := p.types.Member("task_struct.comm")
	return slices.Concat(
		p.element(sharedAll),
		asm.Instructions{asm.Mov.Reg(asm.R8, asm.R0)},
		p.key(asm.R7, stackKey),
		lookup(p.parents, stackKey),
		asm.Instructions{asm.JNE.Imm(asm.R0, 0, "found")},
		p.lookupNew(p.parents, stackKey),
		asm.Instructions{asm.JNE.Imm(asm.R0, 0, "new")},
		p.element(sharedOther),
		asm.Instructions{asm.Mov.Reg(asm.R9, asm.R0), asm.Ja.Label("counted")},
		asm.Instructions{asm.Mov.Reg(asm.R9, asm.R0).WithSymbol("new")},
		p.types.LoadPID(p.level, asm.R7, stackNumber, "entry"),
		asm.Instructions{
			asm.LoadMem(asm.R1, asm.RFP, stackNumber, asm.Word),
			asm.StoreMem(asm.R9, offPID, asm.R1, asm.DWord),
			asm.Mov.Reg(asm.R0, asm.R9),
			asm.Mov.Reg(asm.R9, asm.R0).WithSymbol("found"),
			// Its name each time: it may have become another program.
			asm.LoadMem(asm.R1, asm.R7, int16(comm), asm.DWord), asm.StoreMem(asm.R9, offComm, asm.R1, asm.DWord),
			asm.LoadMem(asm.R1, asm.R7, int16(comm)+8, asm.DWord), asm.StoreMem(asm.R9, offComm+8, asm.R1, asm.DWord),
		},
		label("counted"),
	)
}

// add adds to a count of an entry.
func add(entry asm.Register, offset int16, n int32) asm.Instructions {
	return asm.Instructions{asm.Mov.Imm(asm.R1, n), asm.AddAtomic.Mem(entry, asm.R1, asm.DWord, offset)}
}

// addBoth adds 1 to the parent's count and to that of all.
func addBoth(offset int16) asm.Instructions {
	return slices.Concat(add(asm.R9, offset, 1), add(asm.R8, offset, 1))
}

// fork counts a birth: of a process, not of a thread. Its parent is its
// real_parent, which CLONE_PARENT makes another than who forks.
func (p *programs) fork() asm.Instructions {
	return slices.Concat(
		asm.Instructions{
			asm.LoadMem(asm.R6, asm.R1, 8, asm.DWord), // parent, child
			p.types.LoadMember(asm.R1, asm.R6, "task_struct.pid"),
			p.types.LoadMember(asm.R2, asm.R6, "task_struct.tgid"),
			asm.JNE.Reg(asm.R1, asm.R2, "end"),
		},
		p.parentOf(asm.R6), p.entries(), addBoth(offBirths), bpf.End())
}

// exit counts a death: when the last thread of a process ends. Two that end at
// the same time may both look like the last; the map of the dead takes one.
func (p *programs) exit() asm.Instructions {
	comm, _ := p.types.Member("task_struct.comm")
	return slices.Concat(
		asm.Instructions{
			asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord),
			p.types.LoadMember(asm.R1, asm.R6, "task_struct.signal"),
			asm.JEq.Imm(asm.R1, 0, "end"),
			p.types.LoadMember(asm.R1, asm.R1, "signal_struct.live.counter"),
			asm.JNE.Imm(asm.R1, 0, "end"),
			p.types.LoadMember(asm.R6, asm.R6, "task_struct.group_leader"),
			asm.JEq.Imm(asm.R6, 0, "end"),
		},
		p.key(asm.R6, stackDead),
		p.parentOf(asm.R6), p.entries(),
		asm.Instructions{
			asm.FnKtimeGetNs.Call(),
			asm.StoreMem(asm.RFP, stackValue+deadTime, asm.R0, asm.DWord),
			asm.LoadMem(asm.R1, asm.RFP, stackKey, asm.DWord), asm.StoreMem(asm.RFP, stackValue+deadParent, asm.R1, asm.DWord),
			asm.LoadMem(asm.R1, asm.RFP, stackKey+8, asm.DWord), asm.StoreMem(asm.RFP, stackValue+deadParent+8, asm.R1, asm.DWord),
		},
		bpf.OnStack(asm.R3, stackValue), insert(p.dead, stackDead),
		asm.Instructions{asm.JEq.Imm(asm.R0, 0, "standing"), asm.JEq.Imm(asm.R0, -eexist, "end")},
		addBoth(offMissed),
		asm.Instructions{asm.Ja.Label("death")},
		label("standing"), addBoth(offStanding),
		label("death"), addBoth(offDeaths),
		asm.Instructions{
			asm.LoadMem(asm.R1, asm.R6, int16(comm), asm.DWord), asm.StoreMem(asm.R9, offChild, asm.R1, asm.DWord),
			asm.LoadMem(asm.R1, asm.R6, int16(comm)+8, asm.DWord), asm.StoreMem(asm.R9, offChild+8, asm.R1, asm.DWord),
		},
		bpf.End())
}

// wait notes when a parent last called wait.
func (p *programs) wait() asm.Instructions {
	leader, _ := p.types.Member("task_struct.group_leader")
	start, _ := p.types.Member("task_struct.start_boottime")
	return slices.Concat(
		asm.Instructions{
			asm.FnGetCurrentPidTgid.Call(),
			asm.RSh.Imm(asm.R0, 32),
			asm.StoreMem(asm.RFP, stackKey+keyTGID, asm.R0, asm.DWord),
			asm.FnGetCurrentTask.Call(),
			asm.Mov.Reg(asm.R3, asm.R0),
		},
		bpf.ReadKernel(stackNumber, leader, 8),
		asm.Instructions{asm.LoadMem(asm.R3, asm.RFP, stackNumber, asm.DWord)},
		bpf.ReadKernel(stackKey+keyStart, start, 8),
		lookup(p.parents, stackKey),
		asm.Instructions{
			asm.JEq.Imm(asm.R0, 0, "end"),
			asm.Mov.Reg(asm.R9, asm.R0),
			asm.FnKtimeGetNs.Call(),
			asm.StoreMem(asm.R9, offLastWait, asm.R0, asm.DWord),
		},
		bpf.End())
}

// free counts a reap, and ends the entry of a process that was itself a parent.
func (p *programs) free() asm.Instructions {
	return slices.Concat(
		asm.Instructions{
			asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord),
			p.types.LoadMember(asm.R1, asm.R6, "task_struct.pid"),
			p.types.LoadMember(asm.R2, asm.R6, "task_struct.tgid"),
			asm.JNE.Reg(asm.R1, asm.R2, "end"),
		},
		p.element(sharedAll),
		asm.Instructions{asm.Mov.Reg(asm.R8, asm.R0)},
		p.key(asm.R6, stackDead),
		lookup(p.dead, stackDead),
		asm.Instructions{asm.JEq.Imm(asm.R0, 0, "unseen")},

		// It was seen to die.
		asm.Instructions{
			asm.LoadMem(asm.R1, asm.R0, deadParent, asm.DWord), asm.StoreMem(asm.RFP, stackKey, asm.R1, asm.DWord),
			asm.LoadMem(asm.R1, asm.R0, deadParent+8, asm.DWord), asm.StoreMem(asm.RFP, stackKey+8, asm.R1, asm.DWord),
			asm.LoadMem(asm.R1, asm.R0, deadTime, asm.DWord), asm.StoreMem(asm.RFP, stackValue+deadTime, asm.R1, asm.DWord),
		},
		call(asm.FnMapDeleteElem, p.dead, stackDead),
		lookup(p.parents, stackKey),
		asm.Instructions{asm.Mov.Reg(asm.R9, asm.R0), asm.JNE.Imm(asm.R9, 0, "parent")},
		p.element(sharedOther),
		asm.Instructions{asm.Mov.Reg(asm.R9, asm.R0)},
		label("parent"),
		add(asm.R9, offStanding, -1), add(asm.R8, offStanding, -1),
		addBoth(offReaps), addBoth(offTimed),
		p.reapTime(),
		asm.Instructions{ // how long it waited: R7
			asm.LoadMem(asm.R1, asm.RFP, stackValue+deadTime, asm.DWord),
			asm.JGE.Reg(asm.R7, asm.R1, "later"),
			asm.Mov.Reg(asm.R7, asm.R1),
			asm.Sub.Reg(asm.R7, asm.R1).WithSymbol("later"),
			asm.AddAtomic.Mem(asm.R9, asm.R7, asm.DWord, offWaited),
			asm.AddAtomic.Mem(asm.R8, asm.R7, asm.DWord, offWaited),
		},
		longest(asm.R9, "own"), longest(asm.R8, "all"),
		bucket(),
		p.fold(asm.R9, stackKey, "orphans"),
		asm.Instructions{asm.Ja.Label("itself")},

		// It died before the start, or there was no room for it. Its parent may
		// be gone, and the memory be another's: only a parent that is known counts.
		label("unseen"),
		p.parentOf(asm.R6), p.key(asm.R7, stackKey),
		lookup(p.parents, stackKey),
		asm.Instructions{asm.Mov.Reg(asm.R9, asm.R0), asm.JNE.Imm(asm.R9, 0, "old")},
		p.element(sharedOther),
		asm.Instructions{asm.Mov.Reg(asm.R9, asm.R0)},
		label("old"), addBoth(offReaps),

		label("itself"),
		lookup(p.parents, stackDead),
		asm.Instructions{
			asm.JEq.Imm(asm.R0, 0, "end"),
			asm.Mov.Reg(asm.R9, asm.R0),
			asm.Mov.Imm(asm.R1, 1),
			asm.StoreMem(asm.R9, offEnded, asm.R1, asm.DWord),
		},
		p.fold(asm.R9, stackDead, "itself"),
		bpf.End())
}

// reapTime is R7 = when the parent in R9 reaped, as the package comment says.
func (p *programs) reapTime() asm.Instructions {
	return slices.Concat(
		asm.Instructions{
			asm.FnKtimeGetNs.Call(),
			asm.Mov.Reg(asm.R7, asm.R0),
			p.types.LoadMember(asm.R1, asm.R6, "task_struct.real_parent"),
			asm.JEq.Imm(asm.R1, 0, "reaped"),
			p.types.LoadMember(asm.R1, asm.R1, "task_struct.group_leader"),
			asm.JEq.Imm(asm.R1, 0, "reaped"),
			p.types.LoadMember(asm.R2, asm.R1, "task_struct.tgid"),
			asm.LoadMem(asm.R3, asm.RFP, stackKey+keyTGID, asm.DWord),
			asm.JNE.Reg(asm.R2, asm.R3, "reaped"),
			p.types.LoadMember(asm.R2, asm.R1, "task_struct.start_boottime"),
			asm.LoadMem(asm.R3, asm.RFP, stackKey+keyStart, asm.DWord),
			asm.JNE.Reg(asm.R2, asm.R3, "reaped"),
			asm.LoadMem(asm.R7, asm.R9, offLastWait, asm.DWord),
		},
		label("reaped"))
}

// longest keeps the longer of the entry's and R7. Two at the same time may lose
// the longer one; the buckets have it.
func longest(entry asm.Register, name string) asm.Instructions {
	return slices.Concat(asm.Instructions{
		asm.LoadMem(asm.R1, entry, offLongest, asm.DWord),
		asm.JGE.Reg(asm.R1, asm.R7, "longest_"+name),
		asm.StoreMem(entry, offLongest, asm.R7, asm.DWord),
	}, label("longest_"+name))
}

// bucket counts R7 nanoseconds in the histograms, see Bucket.
func bucket() asm.Instructions {
	p := asm.Instructions{
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Div.Imm(asm.R2, 1000),
		asm.Mov.Reg(asm.R3, asm.R2),
		asm.JLT.Imm(asm.R2, perOctave, "bucket"),
		asm.Mov.Imm(asm.R4, 0), // its highest bit
		asm.Mov.Reg(asm.R5, asm.R2),
	}
	for _, shift := range []int32{32, 16, 8, 4, 2, 1} {
		next := fmt.Sprintf("shift_%d", shift)
		p = append(p,
			asm.Mov.Reg(asm.R0, asm.R5), asm.RSh.Imm(asm.R0, shift),
			asm.JEq.Imm(asm.R0, 0, next),
			asm.Mov.Reg(asm.R5, asm.R0), asm.Add.Imm(asm.R4, shift),
			asm.Mov.Imm(asm.R1, 0).WithSymbol(next))
	}
	p = append(p,
		asm.Mov.Reg(asm.R3, asm.R4), asm.Sub.Imm(asm.R3, 3),
		asm.RSh.Reg(asm.R2, asm.R3), asm.And.Imm(asm.R2, perOctave-1),
		asm.Add.Imm(asm.R3, 1), asm.LSh.Imm(asm.R3, 3),
		asm.Add.Reg(asm.R3, asm.R2),
		asm.JLE.Imm(asm.R3, buckets-1, "bucket"),
		asm.Mov.Imm(asm.R3, buckets-1),
		asm.LSh.Imm(asm.R3, 2).WithSymbol("bucket"),
		asm.Mov.Imm(asm.R1, 1))
	for _, entry := range []asm.Register{asm.R9, asm.R8} {
		p = append(p, asm.Mov.Reg(asm.R2, entry), asm.Add.Reg(asm.R2, asm.R3),
			asm.AddAtomic.Mem(asm.R2, asm.R1, asm.Word, offBuckets))
	}
	return p
}

// fold moves the counts of a parent that was reaped and has left no zombies to
// those of its name, so that short-lived parents do not fill the map. The key of
// the parent is at key. It uses R7.
func (p *programs) fold(entry asm.Register, key int32, name string) asm.Instructions {
	done := "kept_" + name
	// Kept on the stack: what is taken out of the map may at once be another's.
	var kept, moved asm.Instructions
	for i, off := range []int16{offBirths, offDeaths, offReaps} {
		slot := int16(stackKept + 8*i)
		kept = append(kept, asm.LoadMem(asm.R1, entry, off, asm.DWord), asm.StoreMem(asm.RFP, slot, asm.R1, asm.DWord))
		moved = append(moved, asm.LoadMem(asm.R1, asm.RFP, slot, asm.DWord), asm.AddAtomic.Mem(asm.R7, asm.R1, asm.DWord, off))
	}
	return slices.Concat(
		asm.Instructions{
			asm.LoadMem(asm.R1, entry, offEnded, asm.DWord),
			asm.JEq.Imm(asm.R1, 0, done),
			asm.LoadMem(asm.R1, entry, offStanding, asm.DWord),
			asm.JNE.Imm(asm.R1, 0, done),
			// The key of its name.
			asm.LoadMem(asm.R1, entry, offComm, asm.DWord), asm.StoreMem(asm.RFP, stackValue, asm.R1, asm.DWord),
			asm.LoadMem(asm.R1, entry, offComm+8, asm.DWord), asm.StoreMem(asm.RFP, stackValue+8, asm.R1, asm.DWord),
		},
		lookup(p.byName, stackValue),
		asm.Instructions{asm.JNE.Imm(asm.R0, 0, "name_"+name)},
		p.lookupNew(p.byName, stackValue),
		asm.Instructions{asm.JNE.Imm(asm.R0, 0, "name_"+name)},
		p.element(sharedOther),
		asm.Instructions{asm.Mov.Reg(asm.R7, asm.R0).WithSymbol("name_" + name)},
		kept,
		// Whoever takes it out moves it: two may come at the same time.
		call(asm.FnMapDeleteElem, p.parents, key),
		asm.Instructions{asm.JNE.Imm(asm.R0, 0, done)},
		moved, add(asm.R7, offEnded, 1),
		label(done))
}
