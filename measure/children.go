package measure

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Children returns the children of a process, zombies included, from
// /proc/PID/task/*/children (CONFIG_PROC_CHILDREN, Linux 3.5; 4.2 without
// CONFIG_CHECKPOINT_RESTORE). It costs a dentry for each thread of the
// process but none for a child. The list is exact only while the children
// stand still.
func (fs FS) Children(pid int) ([]int, error) {
	dir := filepath.Join(fs.PIDDir(pid), "task")
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("listing the children of %d: %w", pid, classify(err))
	}
	var children []int
	for _, t := range tasks {
		path := filepath.Join(dir, t.Name(), "children")
		data, err := os.ReadFile(path)
		if err != nil {
			err = classify(err)
			if Gone(err) {
				continue // a thread that ended meanwhile
			}
			return nil, fmt.Errorf("listing the children of %d (CONFIG_PROC_CHILDREN): %w", pid, err)
		}
		for field := range bytes.FieldsSeq(data) {
			child, err := strconv.Atoi(string(field))
			if err != nil || child <= 0 {
				return nil, fmt.Errorf("%s: %w: want pids, got %q", path, ErrMalformed, clip(field))
			}
			children = append(children, child)
		}
	}
	return children, nil
}
