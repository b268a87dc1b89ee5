package procs

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"zombench/measure"
)

// A Leader is a process whose main thread has ended while others live: it looks
// like a zombie and is none. Nothing of it is freed (memory, files, ports), and no
// wait returns for it until its last thread ends.
type Leader struct {
	PID     int            `json:"pid"`
	Command string         `json:"command"`          // the name: the command line went with the main thread's memory
	Threads int            `json:"threads"`          // that live
	States  map[string]int `json:"states,omitempty"` // of them, as in proc_pid_stat(5)
	Waits   []string       `json:"waits,omitempty"`  // where those sleep that no signal wakes (state D): a function of the kernel each
}

// describe looks at its threads. It reports false if they have ended meanwhile: a
// process that ends is in this state for a moment.
func (l *Leader) describe(fs measure.FS) bool {
	status, err := fs.Status(l.PID)
	if err != nil {
		return false
	}
	l.Command = status.Name
	tids, err := fs.Tasks(l.PID)
	if err != nil {
		return !measure.Gone(err)
	}
	l.States, l.Threads = make(map[string]int), 0
	for _, tid := range tids {
		dir := filepath.Join(fs.PIDDir(l.PID), "task")
		thread, err := measure.FS{Proc: dir, Sys: fs.Sys, Root: fs.Root}.Process(tid)
		if err != nil || thread.State == 'Z' || thread.State == 'X' {
			continue
		}
		l.Threads++
		l.States[string(thread.State)]++
		if thread.State == 'D' {
			if where, err := fs.WaitChannel(l.PID, tid); err == nil && where != "" && !slices.Contains(l.Waits, where) {
				l.Waits = append(l.Waits, where)
			}
		}
	}
	return l.Threads > 0
}

// Verdict says it in a sentence.
func (l *Leader) Verdict() string {
	s := fmt.Sprintf("%d (%s) is not a zombie: its main thread has ended, %d others live", l.PID, l.Command, l.Threads)
	if l.Threads == 1 {
		s = strings.Replace(s, "1 others live", "1 other lives", 1)
	}
	if n := l.States["D"]; n > 0 {
		s += fmt.Sprintf(", %d of them cannot be interrupted", n)
		if len(l.Waits) > 0 {
			s += " (in " + strings.Join(l.Waits, ", ") + ")"
		}
	}
	return s + "; nothing is freed and wait does not return until they end"
}
