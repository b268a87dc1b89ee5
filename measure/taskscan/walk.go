package taskscan

import (
	"fmt"

	"zombench/measure/bpf"
)

// A Walker visits all tasks of the pid namespace of whoever loaded it, and tells
// nothing of them: what a walk inside of the kernel takes.
type Walker struct{ iter *bpf.Iterator }

// NewWalker loads the iterator, as New does.
func NewWalker() (*Walker, error) {
	return loaded(func(types *bpf.Types) (*Walker, error) {
		iter, err := types.NewIterator("zombench_tasks", "task", bpf.End())
		if err != nil {
			return nil, err
		}
		return &Walker{iter}, nil
	})
}

// Walk visits each task once.
func (w *Walker) Walk() error {
	r, err := w.iter.Open()
	if err != nil {
		return fmt.Errorf("walking all tasks: %w", err)
	}
	defer r.Close()
	return records(r, make([]byte, 4096), 1, func([]byte) {})
}

// Close unloads the iterator.
func (w *Walker) Close() error { return w.iter.Close() }
