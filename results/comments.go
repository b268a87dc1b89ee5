package results

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// waiting is what comments say of the trial that follows them.
type waiting struct {
	Trial
	line int // of the first
}

// needsTrial reports whether it is an error that no trial follows. Readings alone
// are none: any comment may look like one.
func (w waiting) needsTrial() bool {
	return len(w.Warnings)+len(w.Sites)+len(w.Watchers) > 0 || w.Ends.Known || w.Serial.Number > 0
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

func newComments(lean bool) *comments {
	c := &comments{interned: make(map[string]string), parts: parts{runs: make(map[string]*Part)}}
	c.forms = c.allForms(lean)
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
func (c *comments) read(line int, text []byte) (hidden string, err error) {
	c.line = line
	if bench, ok := bytes.CutPrefix(text, []byte(controlMark)); ok && bytes.HasPrefix(bench, []byte("Benchmark")) {
		c.wait().Control = true
		return string(bench), nil
	}
	if rest, ok := bytes.CutPrefix(text, []byte(brokenMark)); ok {
		return c.keepBroken(" " + string(rest))
	}
	for _, f := range c.forms {
		if rest, ok := bytes.CutPrefix(text, []byte(f.mark)); ok {
			return "", f.keep(string(rest))
		}
	}
	return "", nil
}

// allForms are the forms that comments have; readings, which have no mark of
// their own, come last, unless they are to be left out.
func (c *comments) allForms(lean bool) []mark {
	facts := func() *Facts { return c.header().Facts }
	forms := []mark{
		{serialMark, kept("trial", c.keepSerial)},
		{runMark, kept("run", func(r Run) { c.begin(r, nil) })},
		{noisyMark, func(text string) error {
			w := c.wait()
			w.Warnings = append(w.Warnings, oneReason(text))
			return nil
		}},
		{endsMark, c.keepEnds},
		{siteMark, kept("site", func(s CallSite) { w := c.wait(); w.Sites = append(w.Sites, s) })},
		{watcherMark, kept("watcher", func(x Watcher) { w := c.wait(); w.Watchers = append(w.Watchers, x) })},
		{cacheMark, kept("cache", func(s Cache) { c.parts.Facts.describe(s) })},
		{kernelMark, func(text string) error {
			k, ok, err := readKernel(text)
			if ok {
				f := facts()
				k.Layouts, f.Kernel = f.Kernel.Layouts, k
			}
			return err
		}},
		{layoutMark, kept("layout", func(l Layout) { f := facts(); f.Kernel.Layouts = append(f.Kernel.Layouts, l) })},
		{aboutMark, explained(func(e Explanation) { f := facts(); f.About = append(f.About, e) })},
		{unitMark, explained(func(e Explanation) { f := facts(); f.Meanings = append(f.Meanings, e) })},
	}
	if lean {
		return forms
	}
	return append(forms, mark{"# ", func(text string) error {
		reading, ok, err := parseReading(text, c.intern)
		if ok {
			w := c.wait()
			w.Readings = append(w.Readings, reading)
		}
		return err
	}})
}

// kept reads a form, and hands it on if it is one.
func kept[T any, F interface {
	*T
	form
}](what string, to func(T)) func(text string) error {
	return func(text string) error {
		v, ok, err := readForm[T, F](what, text)
		if ok {
			to(v)
		}
		return err
	}
}

// explained does so with an explanation; anything else is free text.
func explained(to func(Explanation)) func(text string) error {
	return func(text string) error {
		if e, ok := readExplanation(text); ok {
			to(e)
		}
		return nil
	}
}

// keepSerial goes to the part of the trial that follows, wherever its header is.
func (c *comments) keepSerial(s Serial) {
	if c.parts.runs[s.Run] == nil {
		c.begin(Run{ID: s.Run}, nil)
		c.parts.Headless = true
	}
	c.parts.Part = c.parts.runs[s.Run]
	c.wait().Serial = s
}

// brokenControl stands between the reason and the line of a broken control, unless
// its name says it.
const brokenControl = "control "

// keepBroken cuts `REASON: BenchmarkX 1 1 x` at the last colon: a reason may hold
// anything, a benchmark line has no colon before a space.
func (c *comments) keepBroken(text string) (line string, err error) {
	i, j := strings.LastIndex(text, ": Benchmark"), strings.LastIndex(text, ": "+brokenControl+"Benchmark")
	w := c.wait()
	switch {
	case j > i:
		w.Control, w.Broken = true, oneReason(text[:j])
		return text[j+len(": "+brokenControl):], nil
	case i >= 0:
		w.Broken = oneReason(text[:i])
		return text[i+len(": "):], nil
	}
	return "", errors.New("broken trial without reason or benchmark line")
}

func (c *comments) keepEnds(text string) error {
	e := Ends{Known: true}
	if err := readFields(text, e.fields()); err != nil {
		return fmt.Errorf("ends: %w", err)
	}
	if c.waiting.Ends.Known {
		return errors.New("second ends of one trial")
	}
	c.wait().Ends = e
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
