package results

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/perf/benchfmt"
)

// A Set is what was read from one or more result files.
type Set struct {
	Records []Record
	Units   benchfmt.UnitMetadataMap
	Parts   []*Part // what each run wrote of it
}

// Load reads result files; "-" is standard input. What could be read is in the
// set, what could not is among the errors, each one naming its file and, where
// there is one, its line: the caller decides whether that is fatal.
func Load(files ...string) (*Set, []error) { return new(loader).files(files) }

// LoadValues reads as Load does, but leaves out the raw readings of trials: most of a
// file, and of the memory that a fleet's would take.
func LoadValues(files ...string) (*Set, []error) { return (&loader{lean: true}).files(files) }

func (l *loader) files(files []string) (*Set, []error) {
	seen := make(map[string]bool)
	for _, name := range files {
		if seen[filepath.Clean(name)] {
			l.errs = append(l.errs, fmt.Errorf("%s: given twice, read once", name))
			continue
		}
		seen[filepath.Clean(name)] = true
		if name == "-" {
			l.load(os.Stdin, "stdin")
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			l.errs = append(l.errs, err)
			continue
		}
		l.load(f, name)
		f.Close()
	}
	return l.done()
}

// Read reads one result file as Load does; name is for errors.
func Read(r io.Reader, name string) (*Set, []error) {
	var l loader
	l.load(r, name)
	return l.done()
}

// ReadFS reads the files of a file system that match a pattern as Load does.
func ReadFS(fsys fs.FS, pattern string) (*Set, []error) {
	var l loader
	names, err := fs.Glob(fsys, pattern)
	if err != nil {
		return &l.set, []error{err}
	}
	for _, name := range names {
		f, err := fsys.Open(name)
		if err != nil {
			l.errs = append(l.errs, err)
			continue
		}
		l.load(f, name)
		f.Close()
	}
	return l.done()
}

type loader struct {
	lean   bool // no readings
	reader *Reader
	set    Set
	errs   []error
}

func (l *loader) load(src io.Reader, name string) {
	if l.reader == nil {
		l.reader = NewReader(src, name)
		l.reader.comments.forms = l.reader.comments.allForms(l.lean)
	} else {
		l.reader.Reset(src, name)
	}
	bad := false
	for l.reader.Scan() {
		if rec, err := l.reader.Record(); err != nil {
			l.errs, bad = append(l.errs, err), true
		} else {
			l.set.Records = append(l.set.Records, rec)
		}
	}
	// Of a file without results but with bad lines, these were reported already.
	if err := l.reader.Err(); err != nil && !(bad && errors.Is(err, ErrNoResults)) {
		l.errs = append(l.errs, err)
	}
}

func (l *loader) done() (*Set, []error) {
	if l.reader != nil {
		l.set.Units, l.set.Parts = l.reader.Units(), l.reader.Parts()
	}
	return &l.set, l.errs
}
