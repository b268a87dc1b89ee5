package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/prometheus/procfs"
	"github.com/spf13/cobra"

	"zombench/measure"
)

func listCommand() *cobra.Command {
	cmd := remoteCommand("list", "List the daemon's zombies as ps axo stat,pid,comm,ppid does", func(out io.Writer, r *remote) error {
		return list(out, measure.Host(), r.pid)
	})
	cmd.Long = `List prints the zombies of the daemon, a line each in the order of their pids, in
the columns of ps axo stat,pid,comm,ppid.`
	cmd.Example = `  zombied list | wc -l
  zombied list | awk '$1 ~ /^Z/ { print $2 }'`
	return cmd
}

// list prints the zombies of a process as ps(1) does.
func list(w io.Writer, kernel measure.FS, parent int) error {
	children, err := kernel.Children(parent)
	if err != nil {
		return err
	}
	slices.Sort(children)
	proc, err := procfs.NewFS(kernel.Proc)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	width := pidWidth(kernel)
	fmt.Fprintf(out, "%-4s %*s %-15s %*s\n", "STAT", width, "PID", "COMMAND", width, "PPID")
	for _, pid := range children {
		p, err := proc.Proc(pid)
		if err != nil {
			continue // reaped meanwhile
		}
		stat, err := p.Stat()
		if err != nil || !zombie(stat) {
			continue
		}
		fmt.Fprintf(out, "%-4s %*d %-15s %*d\n", psState(stat), width, stat.PID, printable(stat.Comm), width, stat.PPID)
	}
	return out.Flush()
}

// zombie asks measure what a zombie is; only ps(1) needs the fields besides.
func zombie(s procfs.ProcStat) bool {
	return s.State != "" && measure.Process{State: s.State[0], Threads: s.NumThreads}.Zombie()
}

// psState is the STAT column of ps(1): the state and its flags.
func psState(s procfs.ProcStat) string {
	state := s.State
	switch {
	case s.Nice < 0:
		state += "<"
	case s.Nice > 0:
		state += "N"
	}
	if s.Session == s.PID {
		state += "s"
	}
	if s.NumThreads > 1 {
		state += "l"
	}
	if s.TPGID == s.PGRP {
		state += "+"
	}
	return state
}

// pidWidth is how wide ps(1) makes a column of pids: as the largest, at least 5.
func pidWidth(kernel measure.FS) int {
	most, err := kernel.Sysctl("kernel.pid_max")
	if err != nil {
		return 7
	}
	return max(len(most), 5)
}

// printable puts question marks where a name has what is not to be printed.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, name)
}
