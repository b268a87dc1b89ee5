package results

import (
	"fmt"
	"time"
)

// CounterMade is the counter of inodes that others made below /proc. A trial that
// has it says by its watchers who they were; one without did not find out.
const CounterMade = "proc-inodes-made"

// A Watcher is a program that looked at zombies: it read what is below
// /proc/PID of them. In a file it is a comment of the form
//
//	# watcher top: pid=4242 processes=1 looks=24 every-ns=500000000 objects=4608 bytes=442368
type Watcher struct {
	Command   string        // as the kernel keeps it: 15 bytes
	PID       uint64        // 0 if the program ran as several, one after the other or at once
	Processes uint64        // of that command that looked
	Looks     uint64        // walks over the zombies
	Every     time.Duration // median time from one look to the next; 0 if there was one
	Objects   uint64        // dentries, inodes and their blobs that were left when it was done
	Bytes     uint64        // of these
}

func (w *Watcher) form() (*string, []field) {
	return &w.Command, []field{count("pid", &w.PID), count("processes", &w.Processes), count("looks", &w.Looks),
		nanoseconds("every-ns", &w.Every), count("objects", &w.Objects), count("bytes", &w.Bytes)}
}

func (w *Watcher) check() error {
	if w.Command == "" || w.Looks == 0 || w.Every < 0 {
		return fmt.Errorf("want a command and how often it looked, not %+v", *w)
	}
	return nil
}

// Name names it: top (pid 4242).
func (w Watcher) Name() string {
	if w.PID == 0 {
		return w.Command
	}
	return fmt.Sprintf("%s (pid %d)", w.Command, w.PID)
}
