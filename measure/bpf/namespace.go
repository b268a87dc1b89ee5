package bpf

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/cilium/ebpf/asm"

	"zombench/measure"
)

// NamespaceLevel returns how many pid namespaces are above that of this process.
func (t *Types) NamespaceLevel() (uint32, error) {
	if measure.Host().InitialPIDNamespace() {
		return 0, nil
	}
	// Only the kernel's own struct tells: from inside, the outermost namespace
	// that can be seen looks like the initial one.
	currentPid, _ := t.Member("task_struct.thread_pid")
	level, _ := t.Member("pid.level")
	const word = -8
	iter, err := t.NewIterator("zb_level", "task", slices.Concat(
		asm.Instructions{
			asm.LoadMem(asm.R7, asm.R1, 8, asm.DWord), // the task
			asm.JEq.Imm(asm.R7, 0, "end"),
			asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord), // the iterator
			asm.LoadMem(asm.R7, asm.R6, 16, asm.DWord),
			asm.JNE.Imm(asm.R7, 0, "end"), // once
			asm.LoadMem(asm.R6, asm.R6, 0, asm.DWord),
			asm.FnGetCurrentTask.Call(),
			asm.Mov.Reg(asm.R3, asm.R0),
		},
		ReadKernel(word, currentPid, 8),
		asm.Instructions{asm.LoadMem(asm.R3, asm.RFP, word, asm.DWord)},
		ReadKernel(word, level, 4),
		SeqWrite(asm.R6, word, 4),
		End()))
	if err != nil {
		return 0, err
	}
	defer iter.Close()
	r, err := iter.Open()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	var b [4]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, fmt.Errorf("reading the level of the pid namespace: %w", err)
	}
	return binary.NativeEndian.Uint32(b[:]), nil
}
