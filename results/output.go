package results

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// An Output is where a run's results go. A file is touched only when the first
// trial is there to be written: a run that ends before, however it ends, leaves
// whatever was in it, and creates none. What an earlier run has measured is then
// kept, as FILE.old.
type Output struct {
	header Header
	copy   bytes.Buffer // of what was written

	path string    // "" for standard output
	w    *Writer   // nil until the first trial
	to   io.Writer // nil for a file that is not there yet
	file *os.File  // nil for standard output, and for a file that is not there yet
}

// Create opens a result file for writing, or stdout if path is empty. A file
// that is not there is made to see that it can be, and made again with the first
// trial.
func Create(path string, stdout io.Writer) (*Output, error) {
	if path == "" {
		return &Output{to: stdout}, nil
	}
	if err := foreignLink(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		return &Output{path: path, to: f, file: f}, nil
	}
	if errors.Is(err, os.ErrNotExist) {
		f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err == nil {
			err = errors.Join(f.Close(), os.Remove(path))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the result file: %w", err)
	}
	return &Output{path: path}, nil
}

// foreignLink refuses a symbolic link that another user has made, but root, as the
// kernel does in sticky directories where fs.protected_symlinks is set: it would
// lead to a file of ours, to be overwritten.
func foreignLink(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		return nil
	}
	if owner := int(info.Sys().(*syscall.Stat_t).Uid); owner != os.Geteuid() && owner != 0 {
		return fmt.Errorf("opening the result file: %s is a symbolic link of user %d; remove it", path, owner)
	}
	return nil
}

// WriteHeader keeps the header until there is a trial.
func (o *Output) WriteHeader(h Header) error {
	o.header = h
	return nil
}

// Describe adds a slab cache to what the header said.
func (o *Output) Describe(c Cache) {
	if o.w == nil {
		o.header.Caches = append(o.header.Caches, c)
		return
	}
	o.w.Describe(c)
}

// WriteTrial appends a trial.
func (o *Output) WriteTrial(t Trial) error {
	if o.w == nil {
		if err := o.begin(); err != nil {
			return err
		}
	}
	return o.w.WriteTrial(t)
}

// begin makes the file or empties it, and writes the header.
func (o *Output) begin() error {
	if err := o.keepOld(); err != nil {
		return err
	}
	if o.to == nil {
		f, err := os.OpenFile(o.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
		if err != nil {
			return fmt.Errorf("making the result file: %w", err)
		}
		o.to, o.file = f, f
	}
	if o.file != nil {
		// A pipe or a device has nothing to be emptied of, and says EINVAL.
		info, err := o.file.Stat()
		if err == nil && info.Mode().IsRegular() {
			err = o.file.Truncate(0)
		}
		if err != nil {
			return fmt.Errorf("emptying the result file: %w", err)
		}
	}
	w := NewWriter(wholeWrites{to: o.to, file: o.file, copy: &o.copy})
	if err := w.WriteHeader(o.header); err != nil {
		return err
	}
	o.w = w
	return nil
}

// keepOld renames a file that holds something. What is no regular file, or is
// reached by a symbolic link, is used as it is.
func (o *Output) keepOld() error {
	info, err := os.Lstat(o.path)
	if o.path == "" || err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return nil
	}
	if err := os.Rename(o.path, o.path+".old"); err != nil {
		return fmt.Errorf("keeping the results that are in the file: %w", err)
	}
	err = o.Close()
	o.to, o.file = nil, nil
	return err
}

// wholeWrites writes to a result file and keeps a copy. Of a write that fails,
// on a full disk for instance, nothing stays in a regular file: it would end in
// half a line.
type wholeWrites struct {
	to   io.Writer
	file *os.File // the same, unless it is standard output: that has other writers
	copy *bytes.Buffer
}

func (w wholeWrites) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	if err == nil {
		return w.copy.Write(p)
	}
	if w.file != nil && n > 0 {
		_ = w.file.Truncate(int64(w.copy.Len())) // a pipe or a device has to keep it
	}
	return n, err
}

// Written returns all that was written so far; nil if nothing was.
func (o *Output) Written() []byte { return o.copy.Bytes() }

// Close closes the file.
func (o *Output) Close() error {
	if o.file == nil {
		return nil
	}
	if err := o.file.Close(); err != nil {
		return fmt.Errorf("closing the result file: %w", err)
	}
	return nil
}
