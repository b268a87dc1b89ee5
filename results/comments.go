package results

import (
	"errors"
	"fmt"
	"strings"
)

// comments are what stands before a trial and belongs to it.
type comments struct {
	line     int // of the first
	warnings []string
	ends     Ends
	readings []Reading
	sites    []CallSite
	watchers []Watcher
}

// needTrial reports whether it is an error that no trial follows. Readings alone
// are none: any comment may look like one.
func (c comments) needTrial() bool {
	return len(c.warnings)+len(c.sites)+len(c.watchers) > 0 || c.ends.Known
}

// wait returns the comments that wait for their trial, of which there is one more.
func (r *Reader) wait() *comments {
	if r.waiting.line == 0 {
		r.waiting.line = r.line
	}
	return &r.waiting
}

// A mark is what a comment of a fixed form begins with, and what is done with the
// rest of it.
type mark struct {
	mark string
	keep func(text string) error
}

// comment keeps what a comment says; one of no form is free text.
func (r *Reader) comment(line string) {
	for _, f := range r.forms {
		if text, ok := strings.CutPrefix(line, f.mark); ok {
			if err := f.keep(text); err != nil {
				r.orphan()
				r.syntax(r.line, err.Error())
			}
			return
		}
	}
}

// allForms are the forms that comments have; readings, which have no mark of
// their own, come last.
func (r *Reader) allForms() []mark {
	return []mark{
		{controlMark, func(text string) error {
			if strings.HasPrefix(text, "Benchmark") {
				r.result([]byte(text), kind{commented: true, control: true})
			}
			return nil
		}},
		{brokenMark, r.broken},
		{noisyMark, func(text string) error {
			c := r.wait()
			c.warnings = append(c.warnings, oneReason(text))
			return nil
		}},
		{endsMark, r.ends},
		{siteMark, func(text string) error {
			return kept(r, text, "site", func(s CallSite) { r.wait().sites = append(r.waiting.sites, s) })
		}},
		{watcherMark, func(text string) error {
			return kept(r, text, "watcher", func(w Watcher) { r.wait().watchers = append(r.waiting.watchers, w) })
		}},
		{cacheMark, func(text string) error { return kept(r, text, "cache", func(c Cache) { r.facts.describe(c) }) }},
		{kernelMark, func(text string) error {
			k, ok, err := readKernel(text)
			if ok {
				r.header().Kernel = k
			}
			return err
		}},
		{aboutMark, func(text string) error {
			if e, ok := readExplanation(text); ok {
				f := r.header()
				f.About = append(f.About, e)
			}
			return nil
		}},
		{unitMark, func(text string) error {
			if e, ok := readExplanation(text); ok {
				f := r.header()
				f.Meanings = append(f.Meanings, e)
			}
			return nil
		}},
		{"# ", func(text string) error {
			reading, ok, err := parseReading(text, r.intern)
			if ok {
				c := r.wait()
				c.readings = append(c.readings, reading)
			}
			return err
		}},
	}
}

// kept reads a form, and hands it on if it is one.
func kept[T any, F interface {
	*T
	form
}](r *Reader, text, what string, to func(T)) error {
	v, ok, err := readForm[T, F](what, text)
	if ok {
		to(v)
	}
	return err
}

// brokenControl stands between the reason and the line of a broken control, unless
// its name says it.
const brokenControl = "control "

// broken cuts `REASON: BenchmarkX 1 1 x` at the last colon: a reason may hold
// anything, a benchmark line has no colon before a space.
func (r *Reader) broken(text string) error {
	text = " " + text
	i, j := strings.LastIndex(text, ": Benchmark"), strings.LastIndex(text, ": "+brokenControl+"Benchmark")
	switch {
	case j > i:
		r.result([]byte(text[j+len(": "+brokenControl):]), kind{commented: true, control: true, broken: oneReason(text[:j])})
	case i >= 0:
		r.result([]byte(text[i+len(": "):]), kind{commented: true, broken: oneReason(text[:i])})
	default:
		return errors.New("broken trial without reason or benchmark line")
	}
	return nil
}

func (r *Reader) ends(text string) error {
	e := Ends{Known: true}
	if err := readFields(text, e.fields()); err != nil {
		return fmt.Errorf("ends: %w", err)
	}
	if r.waiting.ends.Known {
		return errors.New("second ends of one trial")
	}
	r.wait().ends = e
	return nil
}

func (r *Reader) intern(s string) string {
	if kept, ok := r.interned[s]; ok {
		return kept
	}
	s = strings.Clone(s)
	r.interned[s] = s
	return s
}
