package results

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// waiting is what comments say of the trial that follows them.
type waiting struct {
	line     int // of the first
	warnings []string
	ends     Ends
	readings []Reading
	sites    []CallSite
	watchers []Watcher
	serial   Serial
}

// needsTrial reports whether it is an error that no trial follows. Readings alone
// are none: any comment may look like one.
func (w waiting) needsTrial() bool {
	return len(w.warnings)+len(w.sites)+len(w.watchers) > 0 || w.ends.Known || w.serial.Number > 0
}

// A hidden line is a benchmark line that stands in a comment.
type hidden struct {
	line    string
	control bool
	broken  string
}

// comments keeps what the comments of a file say.
type comments struct {
	waiting  waiting
	parts    parts             // and that to which lines belong
	interned map[string]string // names in readings, of which there are few
	forms    []mark
	file     string
	line     int // that is read
}

func newComments() *comments {
	c := &comments{interned: make(map[string]string), parts: parts{runs: make(map[string]*Part)}}
	c.forms = c.allForms(false)
	return c
}

// reset begins with another file.
func (c *comments) reset(file string) {
	c.waiting, c.file, c.line = waiting{}, file, 1
	c.begin(Run{}, nil)
}

// taken returns what waits for a trial, now that there is one.
func (c *comments) taken() waiting {
	w := c.waiting
	c.waiting, c.parts.closed, c.parts.frozen = waiting{}, true, true
	return w
}

func (c *comments) begin(run Run, config []Param) { c.parts.begin(run, config, c.file, c.line) }

// wait returns what waits for its trial, and will be more.
func (c *comments) wait() *waiting {
	if c.waiting.line == 0 {
		c.waiting.line = c.line
	}
	return &c.waiting
}

// header returns the part that a line of a header adds to. A header behind
// results begins a part of the file of which other facts hold.
func (c *comments) header() *Part {
	if c.parts.closed {
		c.begin(Run{}, c.parts.Config)
	}
	return c.parts.Part
}

// A mark is what a comment of a fixed form begins with, and what is done with the
// rest of it.
type mark struct {
	mark string
	keep func(text string) error
}

// read keeps what a comment says, and returns the benchmark line if it hides one.
// One of no form is free text.
func (c *comments) read(line int, text []byte) (hidden, error) {
	if bench, ok := bytes.CutPrefix(text, []byte(controlMark)); ok && bytes.HasPrefix(bench, []byte("Benchmark")) {
		return hidden{line: string(bench), control: true}, nil
	}
	if rest, ok := bytes.CutPrefix(text, []byte(brokenMark)); ok {
		return cutBroken(" " + string(rest))
	}
	c.line = line
	for _, f := range c.forms {
		if rest, ok := bytes.CutPrefix(text, []byte(f.mark)); ok {
			return hidden{}, f.keep(string(rest))
		}
	}
	return hidden{}, nil
}

// allForms are the forms that comments have; readings, which have no mark of
// their own, come last, unless they are to be left out.
func (c *comments) allForms(lean bool) []mark {
	forms := []mark{
		{serialMark, func(text string) error { return kept(text, "trial", c.keepSerial) }},
		{runMark, func(text string) error { return kept(text, "run", func(r Run) error { c.begin(r, nil); return nil }) }},
		{noisyMark, func(text string) error {
			w := c.wait()
			w.warnings = append(w.warnings, oneReason(text))
			return nil
		}},
		{endsMark, c.keepEnds},
		{siteMark, func(text string) error {
			return kept(text, "site", func(s CallSite) error { c.wait().sites = append(c.waiting.sites, s); return nil })
		}},
		{watcherMark, func(text string) error {
			return kept(text, "watcher", func(w Watcher) error { c.wait().watchers = append(c.waiting.watchers, w); return nil })
		}},
		{cacheMark, func(text string) error {
			return kept(text, "cache", func(s Cache) error { c.parts.Facts.describe(s); return nil })
		}},
		{kernelMark, func(text string) error {
			k, ok, err := readKernel(text)
			if ok {
				f := c.header().Facts
				k.Layouts, f.Kernel = f.Kernel.Layouts, k
			}
			return err
		}},
		{layoutMark, func(text string) error {
			return kept(text, "layout", func(l Layout) error {
				f := c.header().Facts
				f.Kernel.Layouts = append(f.Kernel.Layouts, l)
				return nil
			})
		}},
		{aboutMark, func(text string) error {
			if e, ok := readExplanation(text); ok {
				f := c.header().Facts
				f.About = append(f.About, e)
			}
			return nil
		}},
		{unitMark, func(text string) error {
			if e, ok := readExplanation(text); ok {
				f := c.header().Facts
				f.Meanings = append(f.Meanings, e)
			}
			return nil
		}},
	}
	if lean {
		return forms
	}
	return append(forms, mark{"# ", func(text string) error {
		reading, ok, err := parseReading(text, c.intern)
		if ok {
			w := c.wait()
			w.readings = append(w.readings, reading)
		}
		return err
	}})
}

// kept reads a form, and hands it on if it is one.
func kept[T any, F interface {
	*T
	form
}](text, what string, to func(T) error) error {
	v, ok, err := readForm[T, F](what, text)
	if ok {
		err = to(v)
	}
	return err
}

// keepSerial goes to the part of the trial that follows, wherever its header is.
func (c *comments) keepSerial(s Serial) error {
	if c.parts.runs[s.Run] == nil {
		c.begin(Run{ID: s.Run}, nil)
		c.parts.Headless = true
	}
	c.parts.Part = c.parts.runs[s.Run]
	c.wait().serial = s
	return nil
}

// brokenControl stands between the reason and the line of a broken control, unless
// its name says it.
const brokenControl = "control "

// cutBroken cuts `REASON: BenchmarkX 1 1 x` at the last colon: a reason may hold
// anything, a benchmark line has no colon before a space.
func cutBroken(text string) (hidden, error) {
	i, j := strings.LastIndex(text, ": Benchmark"), strings.LastIndex(text, ": "+brokenControl+"Benchmark")
	switch {
	case j > i:
		return hidden{text[j+len(": "+brokenControl):], true, oneReason(text[:j])}, nil
	case i >= 0:
		return hidden{text[i+len(": "):], false, oneReason(text[:i])}, nil
	}
	return hidden{}, errors.New("broken trial without reason or benchmark line")
}

func (c *comments) keepEnds(text string) error {
	e := Ends{Known: true}
	if err := readFields(text, e.fields()); err != nil {
		return fmt.Errorf("ends: %w", err)
	}
	if c.waiting.ends.Known {
		return errors.New("second ends of one trial")
	}
	c.wait().ends = e
	return nil
}

func (c *comments) intern(s string) string {
	if kept, ok := c.interned[s]; ok {
		return kept
	}
	s = strings.Clone(s)
	c.interned[s] = s
	return s
}
