package inits

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"zombench/bench"
)

// A candidate is a program that is tested.
type candidate struct {
	name    string   // as in the name of its benchmark
	command []string // to which the command of the workload is appended
	control bool     // it must fail
}

// neverWaits is the negative control: it becomes sleep(1), which never waits.
func neverWaits() candidate {
	return candidate{name: "never-waits", command: []string{"sh", "-c", `"$@" & exec sleep 1000000`, "never-waits"}, control: true}
}

// known are the programs whose command lines are known.
var known = []string{"tini", "dumb-init", "catatonit"}

// parse makes a candidate of the name of a known program, or of any command.
func parse(line string) (candidate, error) {
	command := strings.Fields(line)
	if len(command) == 0 {
		return candidate{}, errors.New("the command of an init is empty")
	}
	if _, err := exec.LookPath(command[0]); err != nil {
		return candidate{}, err
	}
	name := strings.Join(append([]string{filepath.Base(command[0])}, command[1:]...), " ")
	if slices.Contains(known, name) {
		command = append(command, "--")
	}
	return candidate{name: name, command: command}, nil
}

// A score is what a candidate has done.
type score struct {
	left      int           // zombies a second after they had died
	collected time.Duration // from their death until none was left; 0 if some were
	signals   int           // forwarded
	status    int           // it ended with; -1: it had to be killed
	kept      *float64      // bytes of kernel memory; nil if unknown
}

// faults says what is wrong with a candidate; nil if nothing is.
func (s score) faults() []string {
	var faults []string
	if s.left > 0 {
		faults = append(faults, fmt.Sprintf("leaves %d zombies", s.left))
	}
	if s.signals < asked {
		faults = append(faults, fmt.Sprintf("forwards %d of %d signals", s.signals, asked))
	}
	switch {
	case s.status == -1:
		faults = append(faults, "does not end with its program")
	case s.status != status:
		faults = append(faults, fmt.Sprintf("ends with status %d and not %d", s.status, status))
	}
	return faults
}

// put makes values of a score; died is how many died at the same time.
func (s score) put(site *bench.Site, died int) {
	site.Put(UnitLeft, float64(s.left))
	if s.collected > 0 {
		site.Put(UnitTime, float64(s.collected.Nanoseconds())/float64(died))
	}
	site.Put(UnitSignals, float64(s.signals))
	kept := 0.0
	if s.status == status {
		kept = 1
	}
	site.Put(UnitStatus, kept)
	if s.kept != nil {
		site.Put(UnitKept, *s.kept)
	}
}
