// Package taskiter walks all tasks inside of the kernel, by a BPF task iterator
// (Documentation/bpf/bpf_iterators.rst; Linux 5.8 with CONFIG_DEBUG_INFO_BTF). It
// leaves no trace: no dentry and no inode, whereas a walk of /proc makes some for
// each process.
//
// So far it only walks. It is not for telling what a task is.
package taskiter

import (
	"errors"
	"fmt"
	"io"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"zombench/measure"
	"zombench/measure/bpf"
)

// Tasks is an iterator over all tasks of the pid namespace of whoever loaded it.
type Tasks struct{ iter *bpf.Iterator }

// Load loads the iterator. The error wraps measure.ErrNotSupported where the
// kernel has none and measure.ErrNotPermitted without CAP_BPF and CAP_PERFMON.
func Load() (*Tasks, error) {
	types, err := bpf.Load(measure.Host())
	if err != nil {
		return nil, fmt.Errorf("loading a BPF task iterator: %w", err)
	}
	defer types.Close()
	iter, err := types.NewIterator("zombench_tasks", "task", asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()})
	if err != nil {
		return nil, err
	}
	return &Tasks{iter}, nil
}

// Walk visits each task once.
func (t *Tasks) Walk() error {
	r, err := t.iter.Open()
	if err != nil {
		return fmt.Errorf("opening a BPF task iterator: %w", err)
	}
	defer r.Close()
	for buf := make([]byte, 4096); ; {
		// EAGAIN: a million tasks were seen and there are more (bpf_seq_read in
		// kernel/bpf/bpf_iter.c).
		switch _, err := r.Read(buf); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, unix.EAGAIN):
			return fmt.Errorf("walking all tasks: %w", err)
		}
	}
}

// Close gives the iterator back.
func (t *Tasks) Close() error { return t.iter.Close() }
