// Package bpf holds what the BPF programs of this project share: the offsets of
// a kernel's struct members, which its BTF gives at run time, and errors by
// which callers can tell what is missing.
//
// Programs are put together from instructions in Go (github.com/cilium/ebpf/asm):
// nothing is compiled beforehand, and no offset of a kernel is written down here.
// It is not for reading values: packages taskscan and lifecycle do.
package bpf
