package results

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Load reads result files; "-" is standard input. What could be read is in the
// set, what could not is among the errors, each one naming its file and, where
// there is one, its line: the caller decides whether that is fatal. A bad line is a
// *benchfmt.SyntaxError.
func Load(files ...string) (*Set, []error) { return load(newReader(false), files) }

// LoadValues reads as Load does, but leaves out the raw readings of trials: most of a
// file, and of the memory that a fleet's would take.
func LoadValues(files ...string) (*Set, []error) { return load(newReader(true), files) }

func load(r *reader, files []string) (*Set, []error) {
	seen := make(map[string]bool)
	for _, name := range files {
		switch {
		case seen[filepath.Clean(name)]:
			r.errs = append(r.errs, fmt.Errorf("%s: given twice, read once", name))
			continue
		case name == "-":
			r.read(os.Stdin, "stdin")
		default:
			r.open(name, func(name string) (fs.File, error) { return os.Open(name) })
		}
		seen[filepath.Clean(name)] = true
	}
	return r.done()
}

// Read reads one result file as Load does; name is for errors.
func Read(src io.Reader, name string) (*Set, []error) {
	r := newReader(false)
	r.read(src, name)
	return r.done()
}

// ReadFS reads the files of a file system that match a pattern as Load does.
func ReadFS(fsys fs.FS, pattern string) (*Set, []error) {
	r := newReader(false)
	names, err := fs.Glob(fsys, pattern)
	if err != nil {
		r.errs = append(r.errs, err)
	}
	for _, name := range names {
		r.open(name, fsys.Open)
	}
	return r.done()
}

// open reads a file.
func (r *reader) open(name string, open func(string) (fs.File, error)) {
	f, err := open(name)
	if err != nil {
		r.errs = append(r.errs, err)
		return
	}
	defer f.Close()
	r.read(f, name)
}
