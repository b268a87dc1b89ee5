package bpf

import "github.com/cilium/ebpf/asm"

// OnStack is dst = the address of what is at an offset of the stack.
func OnStack(dst asm.Register, offset int32) asm.Instructions {
	return asm.Instructions{asm.Mov.Reg(dst, asm.RFP), asm.Add.Imm(dst, offset)}
}

// ReadKernel stores what the kernel has at R3 + from, size bytes of it, at an offset of
// the stack. It uses R0 to R5.
func ReadKernel(offset int32, from uint32, size int32) asm.Instructions {
	return append(OnStack(asm.R1, offset), asm.Add.Imm(asm.R3, int32(from)), asm.Mov.Imm(asm.R2, size), asm.FnProbeReadKernel.Call())
}

// SeqWrite gives size bytes at an offset of the stack to whoever reads the iterator, by
// its bpf_iter_meta.seq. It uses R0 to R5.
func SeqWrite(seq asm.Register, offset, size int32) asm.Instructions {
	return append(OnStack(asm.R2, offset), asm.Mov.Reg(asm.R1, seq), asm.Mov.Imm(asm.R3, size), asm.FnSeqWrite.Call())
}

// EachTask begins a program of an iterator over tasks: task is the one that it is
// called for, seq what it writes to, meta its bpf_iter_meta. After the last task it
// jumps to the end. It uses R0 to R5.
func (t *Types) EachTask(task, seq, meta asm.Register) asm.Instructions {
	return append(append(asm.Instructions{
		asm.LoadMem(task, asm.R1, 8, asm.DWord), // struct bpf_iter__task: the iterator, the task
		asm.JEq.Imm(task, 0, "end"),
		asm.LoadMem(meta, asm.R1, 0, asm.DWord),
		t.LoadMember(seq, meta, "bpf_iter_meta.seq"),
	}, t.Untrusted(task, "task_struct")...), asm.Mov.Reg(task, asm.R0))
}

// End ends a program, and is what jumps to the end go to.
func End() asm.Instructions {
	return asm.Instructions{asm.Mov.Imm(asm.R0, 0).WithSymbol("end"), asm.Return()}
}

// LoadPID stores the number of the process whose main thread is in task, as the
// pid namespace of a level sees it, in the 4 bytes at offset of the stack; 0 if
// it is outside of that namespace. It uses R0 to R5; label is a prefix for its
// jumps.
func (t *Types) LoadPID(level uint32, task asm.Register, offset int16, label string) asm.Instructions {
	if level == 0 {
		return asm.Instructions{
			t.LoadMember(asm.R1, task, "task_struct.tgid"),
			asm.StoreMem(asm.RFP, offset, asm.R1, asm.Word),
		}
	}
	return append(asm.Instructions{t.LoadMember(asm.R3, task, "task_struct.thread_pid")}, t.LoadNumber(level, offset, label)...)
}

// LoadNumber stores the number that the struct pid in R3 has in the pid namespace of
// a level, as LoadPID does; 0 if R3 is.
func (t *Types) LoadNumber(level uint32, offset int16, label string) asm.Instructions {
	numbers, _ := t.Member("pid.numbers")
	nr, _ := t.Member("upid.nr")
	code := append(asm.Instructions{
		asm.StoreImm(asm.RFP, offset, 0, asm.Word),
		asm.JEq.Imm(asm.R3, 0, label+"_outside"), // it was reaped
		t.LoadMember(asm.R1, asm.R3, "pid.level"),
		asm.JLT.Imm(asm.R1, int32(level), label+"_outside"),
	}, ReadKernel(int32(offset), numbers+level*t.StructSize("upid")+nr, 4)...)
	return append(code, asm.Mov.Imm(asm.R1, 0).WithSymbol(label+"_outside"))
}
