// Package bpf holds what the BPF programs of this project share: how they are
// loaded and attached, instructions that load a kernel's struct members, and errors
// by which callers can tell what is missing.
//
// Programs are put together from instructions in Go (github.com/cilium/ebpf/asm):
// nothing is compiled beforehand, and no offset of a kernel is written down here:
// package btf finds them at run time.
// It is not for reading values: packages taskscan and lifecycle do.
package bpf
