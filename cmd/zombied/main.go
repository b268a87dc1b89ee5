//go:build !man

// The number of threads must not follow the number of CPUs about while an army
// stands.
//
//go:debug updatemaxprocs=0

// Zombied is a daemon that raises an army of zombies and keeps it standing: it
// starts children that end at once, and never collects them.
//
// See zombied --help.
package main

import (
	"os"

	"zombench/cmd/zombied/internal/daemonize"
)

func main() {
	if status, leads := daemonize.Lead(); leads {
		os.Exit(status)
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}
