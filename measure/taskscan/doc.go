// Package taskscan lists the processes of a machine without touching /proc: by a
// BPF task iterator (Linux 5.8, BTF), which the kernel runs over its own structs.
//
// In flows the running kernel, out flow processes with what /proc/PID/stat would
// say of them, and with what it does not say: when a zombie died. Nothing is left
// behind: no dentry and no inode, which /proc makes for each process looked at.
//
// It is not for more than one look: package lifecycle follows births and deaths.
package taskscan
