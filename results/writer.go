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
	err    error   // the first that was found with what is in buf
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
	w.begin()
	if h.Run != (Run{}) {
		w.form(runMark, &h.Run)
	}
	for _, c := range h.Comments {
		w.comment(c)
	}
	w.facts(h.Facts)
	for _, p := range h.Config {
		value := oneLine(p.Value)
		if value == "" {
			continue // `key:` would delete it
		}
		if !IsKey(p.Key) {
			w.fail(fmt.Errorf("configuration key %q: want one lower-case word", p.Key))
		}
		fmt.Fprintf(&w.buf, "%s: %s\n", p.Key, value)
	}
	w.buf.WriteByte('\n')
	for _, u := range h.Units {
		w.unit(u)
	}
	if len(h.Units) > 0 {
		w.buf.WriteByte('\n')
	}
	return w.flush("write header")
}

func (w *Writer) begin() {
	w.buf.Reset()
	w.err = nil
}

func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *Writer) facts(f Facts) {
	w.fail(f.Kernel.check())
	if known := f.Kernel.known(); len(known) > 0 {
		fmt.Fprintf(&w.buf, "%s%s\n", kernelMark, fieldsText(known))
	}
	forms(w, layoutMark, f.Kernel.Layouts)
	for i := range f.Caches {
		w.fail(f.Caches[i].check())
	}
	w.caches = slices.Clone(f.Caches)
	for _, m := range f.About {
		w.meaning(aboutMark, m)
	}
}

func (w *Writer) meaning(mark string, m Explanation) {
	w.fail(m.check())
	fmt.Fprintf(&w.buf, "%s%s\n", mark, m.text())
}

func (w *Writer) unit(u Unit) {
	bad := u.Name == "" || strings.ContainsFunc(u.Name, unicode.IsSpace) || strings.Join(strings.Fields(u.Meta), " ") != u.Meta
	for _, word := range strings.Fields(u.Meta) {
		key, _, ok := strings.Cut(word, "=")
		bad = bad || !ok || key == ""
	}
	if bad {
		w.fail(fmt.Errorf("unit %q, metadata %q: want a word, and KEY=VALUE", u.Name, u.Meta))
	}
	if u.Meta != "" {
		fmt.Fprintf(&w.buf, "Unit %s %s\n", u.Name, u.Meta)
	}
	if u.Meaning != "" {
		w.meaning(unitMark, Explanation{u.Name, u.Meaning})
	}
}

// WriteTrial writes one trial and its comments. Reasons are put on one line. A
// trial that would not be read back as it is, is refused: a name that ends in
// -digits would lose them as GOMAXPROCS.
func (w *Writer) WriteTrial(t Trial) error {
	t.Control = t.Control || t.Bench == Control
	if t.Control && t.N == 0 {
		t.N = 1
	}
	w.begin()
	w.fail(t.check())
	if t.Serial != (Serial{}) { // first: it says to what the rest belongs
		w.form(serialMark, &t.Serial)
	}
	mentioned := w.mentioned(t)
	forms(w, cacheMark, mentioned)
	for _, text := range t.Notes {
		w.comment(text)
	}
	for _, r := range t.Readings {
		fmt.Fprintf(&w.buf, "# %s\n", r.text())
	}
	forms(w, siteMark, t.Sites)
	forms(w, watcherMark, t.Watchers)
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
	w.fail(w.bench.Write(res))
	if err := w.flush("write trial"); err != nil {
		return err
	}
	w.caches = slices.DeleteFunc(w.caches, func(c Cache) bool {
		return slices.ContainsFunc(mentioned, func(m Cache) bool { return m.Name == c.Name })
	})
	return nil
}

func (w *Writer) form(mark string, f form) {
	if err := f.check(); err != nil {
		w.fail(fmt.Errorf("%s: %w", strings.Trim(mark, "# "), err))
	}
	fmt.Fprintf(&w.buf, "%s%s\n", mark, formText(f))
}

func forms[T any, F interface {
	*T
	form
}](w *Writer, mark string, all []T) {
	for i := range all {
		w.form(mark, F(&all[i]))
	}
}

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
			w.fail(fmt.Errorf("a line of %d bytes, readers take up to %d", len(line), maxLine))
		}
	}
	if w.err == nil {
		n, err := w.w.Write(w.buf.Bytes())
		if err == nil && n < w.buf.Len() {
			err = io.ErrShortWrite
		}
		w.err = err
	}
	if w.err != nil {
		return fmt.Errorf("%s: %w", doing, w.err)
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
