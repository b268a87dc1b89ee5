package results

import (
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
}

// needsTrial reports whether it is an error that no trial follows. Readings alone
// are none: any comment may look like one.
func (w waiting) needsTrial() bool {
	return len(w.warnings)+len(w.sites)+len(w.watchers) > 0 || w.ends.Known
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
	facts    *Facts
	inHeader bool              // no result since the header began
	interned map[string]string // names in readings, of which there are few
	forms    []mark
	line     int // that is read
}

func newComments() *comments {
	c := &comments{interned: make(map[string]string)}
	c.forms = c.allForms()
	c.reset()
	return c
}

func (c *comments) reset() { c.waiting, c.facts, c.inHeader = waiting{}, new(Facts), true }

// taken returns what waits for a trial, now that there is one.
func (c *comments) taken() waiting {
	w := c.waiting
	c.waiting, c.inHeader = waiting{}, false
	return w
}

// wait returns what waits for its trial, and will be more.
func (c *comments) wait() *waiting {
	if c.waiting.line == 0 {
		c.waiting.line = c.line
	}
	return &c.waiting
}

// header returns the facts that a line of a header adds to. A header behind
// results begins a part of the file of which other facts hold.
func (c *comments) header() *Facts {
	if !c.inHeader {
		c.facts, c.inHeader = new(Facts), true
	}
	return c.facts
}

// A mark is what a comment of a fixed form begins with, and what is done with the
// rest of it.
type mark struct {
	mark string
	keep func(text string) error
}

// read keeps what a comment says, and returns the benchmark line if it hides one.
// One of no form is free text.
func (c *comments) read(line int, text string) (hidden, error) {
	if bench, ok := strings.CutPrefix(text, controlMark); ok && strings.HasPrefix(bench, "Benchmark") {
		return hidden{line: bench, control: true}, nil
	}
	if rest, ok := strings.CutPrefix(text, brokenMark); ok {
		return cutBroken(" " + rest)
	}
	c.line = line
	for _, f := range c.forms {
		if rest, ok := strings.CutPrefix(text, f.mark); ok {
			return hidden{}, f.keep(rest)
		}
	}
	return hidden{}, nil
}

// allForms are the forms that comments have; readings, which have no mark of
// their own, come last.
func (c *comments) allForms() []mark {
	return []mark{
		{noisyMark, func(text string) error {
			w := c.wait()
			w.warnings = append(w.warnings, oneReason(text))
			return nil
		}},
		{endsMark, c.keepEnds},
		{siteMark, func(text string) error {
			return kept(text, "site", func(s CallSite) { c.wait().sites = append(c.waiting.sites, s) })
		}},
		{watcherMark, func(text string) error {
			return kept(text, "watcher", func(w Watcher) { c.wait().watchers = append(c.waiting.watchers, w) })
		}},
		{cacheMark, func(text string) error { return kept(text, "cache", func(s Cache) { c.facts.describe(s) }) }},
		{kernelMark, func(text string) error {
			k, ok, err := readKernel(text)
			if ok {
				c.header().Kernel = k
			}
			return err
		}},
		{aboutMark, func(text string) error {
			if e, ok := readExplanation(text); ok {
				f := c.header()
				f.About = append(f.About, e)
			}
			return nil
		}},
		{unitMark, func(text string) error {
			if e, ok := readExplanation(text); ok {
				f := c.header()
				f.Meanings = append(f.Meanings, e)
			}
			return nil
		}},
		{"# ", func(text string) error {
			reading, ok, err := parseReading(text, c.intern)
			if ok {
				w := c.wait()
				w.readings = append(w.readings, reading)
			}
			return err
		}},
	}
}

// kept reads a form, and hands it on if it is one.
func kept[T any, F interface {
	*T
	form
}](text, what string, to func(T)) error {
	v, ok, err := readForm[T, F](what, text)
	if ok {
		to(v)
	}
	return err
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
