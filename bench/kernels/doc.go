// Package kernels measures zombies under other kernels: it finds the kernels
// that are asked for, boots each in a guest that runs the harness, and keeps
// what the guests send as result files.
//
// In flow names, patterns and files of kernels (Resolver) and what is to be
// measured (Fleet); out flow result files, one a kernel, that differ from those
// of `zombench run` only in what the host adds to their heads. A kernel that
// fails does not stop the others.
//
// It is not for booting (package vm), not for Debian's archive (package debian)
// and not for measuring: that is done inside, by cmd/zombench/guest.
package kernels
