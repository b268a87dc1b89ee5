package janitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"zombench/bench/cgroup"
	"zombench/measure"
)

// journal is what the lock file holds: who has the lock, and what is to be
// undone if it ends before it could do so itself.
type journal struct {
	PID      int               `json:"pid"` // the run; 0 if none is
	Started  time.Time         `json:"started"`
	Clearing bool              `json:"clearing,omitempty"` // the run has ended, its janitor is at work
	Boot     string            `json:"boot,omitempty"`     // boot ID: a restart undoes everything by itself
	Dirs     []cgroup.Parent   `json:"dirs,omitempty"`     // where the run makes its cgroups
	Sysctls  map[string]string `json:"sysctls,omitempty"`  // sysctls that it raised, with their old values
}

// journalSize bounds what is read of a lock file, in bytes.
const journalSize = 1 << 20

// load reads the journal; an empty file is an empty one.
func load(f *os.File) (journal, error) {
	var j journal
	// What follows the first value is the end of a longer one before it.
	err := json.NewDecoder(io.NewSectionReader(f, 0, journalSize)).Decode(&j)
	if err != nil && !errors.Is(err, io.EOF) {
		return journal{}, fmt.Errorf("%w: journal of an earlier run in %s: %w", measure.ErrMalformed, f.Name(), err)
	}
	return j, nil
}

// save writes the journal in place (the lock hangs on this very file), by one
// write followed by a truncation: a crash in between leaves a longer file that
// still begins with a whole journal.
func (l *Lock) save() error {
	j := l.journal
	j.Dirs = slices.Concat(l.earlier.Dirs, l.journal.Dirs)
	// What the first of them found is what the sysctl is to be again.
	j.Sysctls = make(map[string]string)
	maps.Copy(j.Sysctls, l.journal.Sysctls)
	maps.Copy(j.Sysctls, l.earlier.Sysctls)
	b, err := json.Marshal(j)
	b = append(b, '\n')
	if err == nil {
		_, err = l.file.WriteAt(b, 0)
	}
	if err == nil {
		err = l.file.Truncate(int64(len(b)))
	}
	if err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	return nil
}

// RecordParent enters a cgroup under which the run makes its own. It is to be
// called before that cgroup is altered in any way.
func (l *Lock) RecordParent(p cgroup.Parent) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.journal.Dirs, func(q cgroup.Parent) bool { return q.Dir == p.Dir })
	if i < 0 {
		l.journal.Dirs = append(l.journal.Dirs, p)
	} else if q := &l.journal.Dirs[i]; p.Leaf || len(p.Enabled) > 0 {
		*q = p
	}
	return l.save()
}

// Record enters a sysctl that the run is about to raise, with its old value. A
// second record of the same sysctl is ignored: the first value is the one to
// put back.
func (l *Lock) Record(sysctl, old string) error {
	if _, err := l.fs.SysctlPath(sysctl); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.journal.Sysctls[sysctl]; ok {
		return nil
	}
	if l.journal.Sysctls == nil {
		l.journal.Sysctls = map[string]string{}
	}
	l.journal.Sysctls[sysctl] = strings.TrimSpace(old)
	return l.save()
}

// reload takes the journal as it is on file, be it that the janitor has cleared
// it or not, for one of earlier runs: what it holds is to be undone.
func (l *Lock) reload() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.journal.Dirs, l.journal.Sysctls = nil, nil
	var err error
	l.earlier, err = load(l.file)
	return err
}
