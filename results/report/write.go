package report

import (
	"fmt"
	"io"
	"strings"
)

// A Format is a way to render a Doc.
type Format string

const (
	Text     Format = "text"     // for a terminal
	Markdown Format = "markdown" // GitHub's, to paste
	HTML     Format = "html"     // one file with tables and pictures
	CSV      Format = "csv"      // the tables, numbers in base units, for programs
	JSON     Format = "json"     // everything, for programs
	LaTeX    Format = "latex"    // sentences and tabulars, for a paper
)

// Formats are all there are.
func Formats() []Format { return []Format{Text, Markdown, HTML, CSV, JSON, LaTeX} }

// NeedsReadings reports whether the raw readings of trials are seen in a format, as
// pictures or as data.
func (f Format) NeedsReadings() bool { return f == HTML || f == JSON }

// Write renders the document, in one call of Write.
func (d Doc) Write(w io.Writer, f Format) error {
	var b strings.Builder
	var err error
	switch f {
	case Text:
		err = terminal(w, d).write(&b, d)
	case Markdown:
		err = markdown.write(&b, d)
	case HTML:
		err = writeHTML(&b, d)
	case CSV:
		err = writeCSV(&b, d)
	case JSON:
		err = writeJSON(&b, d)
	case LaTeX:
		err = writeLaTeX(&b, d)
	default:
		err = fmt.Errorf("unknown format %q", f)
	}
	if err == nil {
		_, err = io.WriteString(w, b.String())
	}
	if err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}
