package results

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/perf/benchfmt"
)

// maxLine is the longest line that bufio.Scanner, and so every reader of the
// benchmark format, takes.
const maxLine = bufio.MaxScanTokenSize - 1

// A Writer writes a result file. Each method makes one Write call of whole
// lines, so that an interrupted run leaves a valid file with what was measured.
// Nothing is written of what cannot be read back.
type Writer struct {
	w   io.Writer
	buf bytes.Buffer
	// bench writes benchmark lines into buf: numbers look as benchfmt makes
	// them look. It never sees a configuration, the header has it.
	bench  *benchfmt.Writer
	caches []Cache // that no trial has mentioned yet
}

// Describe adds a slab cache to what the header said. It is written before the
// first trial that mentions it.
func (w *Writer) Describe(c Cache) { w.caches = append(w.caches, c) }

// NewWriter returns a Writer to w. It buffers nothing between calls.
func NewWriter(w io.Writer) *Writer {
	wr := &Writer{w: w}
	wr.bench = benchfmt.NewWriter(&wr.buf)
	return wr
}

// WriteHeader writes what a file begins with; its slab caches follow with the
// first trial that mentions them. It comes first; a later header changes the
// configuration from there on.
func (w *Writer) WriteHeader(h Header) error {
	w.buf.Reset()
	if h.Run != (Run{}) {
		if err := h.Run.check(); err != nil {
			return fmt.Errorf("write header: %w", err)
		}
		w.form(runMark, &h.Run)
	}
	for _, c := range h.Comments {
		w.comment(c)
	}
	if err := w.facts(h.Facts); err != nil {
		return fmt.Errorf("write header: %w", err)
	}
	for _, p := range h.Config {
		value := oneLine(p.Value)
		if value == "" {
			continue // `key:` would delete it
		}
		if !IsKey(p.Key) {
			return fmt.Errorf("write header: configuration key %q: want one lower-case word", p.Key)
		}
		fmt.Fprintf(&w.buf, "%s: %s\n", p.Key, value)
	}
	w.buf.WriteByte('\n')
	for _, u := range h.Units {
		if err := w.unit(u); err != nil {
			return fmt.Errorf("write header: %w", err)
		}
	}
	if len(h.Units) > 0 {
		w.buf.WriteByte('\n')
	}
	return w.flush("write header")
}

func (w *Writer) facts(f Facts) error {
	if err := f.Kernel.check(); err != nil {
		return err
	}
	if known := f.Kernel.known(); len(known) > 0 {
		fmt.Fprintf(&w.buf, "%s%s\n", kernelMark, fieldsText(known))
	}
	for i := range f.Kernel.Layouts {
		w.form(layoutMark, &f.Kernel.Layouts[i])
	}
	for i := range f.Caches {
		if err := f.Caches[i].check(); err != nil {
			return err
		}
	}
	w.caches = slices.Clone(f.Caches)
	for _, m := range f.About {
		if err := w.meaning(aboutMark, m); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) meaning(mark string, m Explanation) error {
	fmt.Fprintf(&w.buf, "%s%s\n", mark, m.text())
	return m.check()
}

func (w *Writer) unit(u Unit) error {
	bad := u.Name == "" || strings.ContainsFunc(u.Name, unicode.IsSpace) || strings.Join(strings.Fields(u.Meta), " ") != u.Meta
	for _, word := range strings.Fields(u.Meta) {
		key, _, ok := strings.Cut(word, "=")
		bad = bad || !ok || key == ""
	}
	if bad {
		return fmt.Errorf("unit %q, metadata %q: want a word, and KEY=VALUE", u.Name, u.Meta)
	}
	if u.Meta != "" {
		fmt.Fprintf(&w.buf, "Unit %s %s\n", u.Name, u.Meta)
	}
	if u.Meaning == "" {
		return nil
	}
	return w.meaning(unitMark, Explanation{u.Name, u.Meaning})
}

// WriteTrial writes one trial and its comments. Reasons are put on one line. A
// trial that would not be read back as it is, is refused: a name that ends in
// -digits would lose them as GOMAXPROCS.
func (w *Writer) WriteTrial(t Trial) error {
	t.Control = t.Control || t.Bench == Control
	if t.Control && t.N == 0 {
		t.N = 1
	}
	if err := t.check(); err != nil {
		return fmt.Errorf("write trial: %w", err)
	}
	w.buf.Reset()
	if t.Serial.Number > 0 { // first: it says to what the rest belongs
		w.form(serialMark, &t.Serial)
	}
	mentioned := w.mentioned(t)
	for i := range mentioned {
		w.form(cacheMark, &mentioned[i])
	}
	for _, text := range t.Notes {
		w.comment(text)
	}
	for _, r := range t.Readings {
		fmt.Fprintf(&w.buf, "# %s\n", r.text())
	}
	for i := range t.Sites {
		w.form(siteMark, &t.Sites[i])
	}
	for i := range t.Watchers {
		w.form(watcherMark, &t.Watchers[i])
	}
	for _, reason := range t.Warnings {
		fmt.Fprintf(&w.buf, "%s%s\n", noisyMark, oneReason(reason))
	}
	if e := t.Ends; e.Known {
		fmt.Fprintf(&w.buf, "%s%s\n", endsMark, fieldsText(e.fields()))
	}
	switch {
	case t.Broken != "":
		fmt.Fprintf(&w.buf, "%s%s: ", brokenMark, oneReason(t.Broken))
		if t.Control && t.Bench != Control {
			w.buf.WriteString(brokenControl)
		}
	case t.Control:
		// A comment, because the zeros of controls would blank benchstat's
		// geomean and footnote every table.
		w.buf.WriteString(controlMark)
	}
	res := &benchfmt.Result{Name: benchfmt.Name(t.Name()), Iters: t.N}
	for _, v := range t.Values {
		res.Values = append(res.Values, benchfmt.Value{Value: v.Value, Unit: v.Unit})
	}
	if err := w.bench.Write(res); err != nil {
		return fmt.Errorf("write trial: %w", err)
	}
	if err := w.flush("write trial"); err != nil {
		return err
	}
	w.caches = slices.DeleteFunc(w.caches, func(c Cache) bool {
		return slices.ContainsFunc(mentioned, func(m Cache) bool { return m.Name == c.Name })
	})
	return nil
}

func (w *Writer) form(mark string, f form) { fmt.Fprintf(&w.buf, "%s%s\n", mark, formText(f)) }

// mentioned returns those slab caches that the trial is the first to mention.
func (w *Writer) mentioned(t Trial) (caches []Cache) {
	for _, c := range w.caches {
		reads := slices.ContainsFunc(t.Readings, func(r Reading) bool { _, ok := r.Cache(c.Name); return ok })
		if reads || slices.ContainsFunc(t.Sites, func(s CallSite) bool { return slices.Contains(s.Caches, c.Name) }) {
			caches = append(caches, c)
		}
	}
	return caches
}

// comment writes free text. What would be read as something else gets one more
// space.
func (w *Writer) comment(text string) {
	for line := range strings.SplitSeq(strings.TrimRightFunc(text, unicode.IsSpace), "\n") {
		line = "# " + strings.TrimRightFunc(strings.ReplaceAll(line, "\r", " "), unicode.IsSpace)
		if hasForm(line) {
			line = "# " + line[1:]
		}
		w.buf.WriteString(strings.TrimRight(line, " "))
		w.buf.WriteByte('\n')
	}
}

// hasForm reports whether Reader may see more in a comment than free text.
func hasForm(line string) bool {
	if slices.ContainsFunc(marks(), func(mark string) bool { return strings.HasPrefix(line+" ", mark) }) {
		return true
	}
	_, ok, err := parseReading(line[len("# "):], func(s string) string { return s })
	return ok || err != nil
}

func (w *Writer) flush(doing string) error {
	for line := range bytes.Lines(w.buf.Bytes()) {
		if len(line) > maxLine {
			return fmt.Errorf("%s: a line of %d bytes, readers take up to %d", doing, len(line), maxLine)
		}
	}
	n, err := w.w.Write(w.buf.Bytes())
	if err == nil && n < w.buf.Len() {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// IsKey reports whether `key: value` is read as configuration.
func IsKey(key string) bool {
	r := benchfmt.NewReader(strings.NewReader(key+": x\nBenchmarkX 1 1 x\n"), "")
	if strings.ContainsFunc(key, unicode.IsSpace) || !r.Scan() {
		return false
	}
	res, ok := r.Result().(*benchfmt.Result)
	return ok && len(res.Config) == 1 && res.Config[0].Key == key
}
