package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"sort"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
	"golang.org/x/term"

	"zombench/results"
)

// A layout is how people read a document: on a terminal, or as GitHub's Markdown.
type layout struct {
	page, line        int // how wide tables and sentences may be, in columns
	escape            func(string) string
	title, fact, item string // formats of a heading, of the first fact, and of the others
	gap               string // behind what Markdown would take for the beginning of a table
	table             func() tablewriter.Option
}

// terminal is the layout of a document that goes to w as text.
func terminal(w io.Writer, d Doc) layout {
	// A page of a document or of a mail holds a little less than 100. A sentence in a
	// file is one line, which grep finds.
	page, line := cmp.Or(d.Width, 100), math.MaxInt
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			page, line = width, width
		}
	}
	return layout{page, line, results.Printable, "%s\n", "%s\n", "  %s\n", "", func() tablewriter.Option {
		return tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders: tw.BorderNone,
			Settings: tw.Settings{
				Separators: tw.Separators{BetweenColumns: tw.Off, BetweenRows: tw.Off},
				Lines:      tw.Lines{ShowHeaderLine: tw.On},
			},
		}))
	}}
}

// Whoever renders Markdown breaks its cells.
var markdown = layout{math.MaxInt, math.MaxInt, escapeMarkdown, "**%s**\n", "**%s**\n", "- %s\n", "\n", func() tablewriter.Option {
	return tablewriter.WithRenderer(renderer.NewMarkdown())
}}

// write writes the document, its parts a blank line apart.
func (l layout) write(b *strings.Builder, d Doc) error {
	p := parts{b: b}
	l.facts(&p, d.Facts)
	for _, s := range d.Sections {
		if s.Heading != "" && (len(s.Facts)+len(s.Tables)+len(s.Notes) > 0) {
			p.begin()
			fmt.Fprintf(b, l.title, l.escape(s.Heading))
			b.WriteString(l.gap)
			p.joined = true
		}
		l.facts(&p, s.Facts)
		for _, t := range s.Tables {
			p.begin()
			if t.Name != "" {
				fmt.Fprintf(b, l.title, l.escape(t.Name))
				b.WriteString(l.gap)
			}
			if err := l.writeTable(b, t); err != nil {
				return err
			}
		}
		p.joined = l.gap == "" && len(s.Tables) > 0 // notes stand right below
		l.notes(&p, s.Notes)
		p.joined = false
	}
	l.notes(&p, d.Notes)
	return nil
}

// parts puts blank lines between what is written.
type parts struct {
	b      *strings.Builder
	joined bool // what comes next belongs to what is there
}

func (p *parts) begin() {
	if p.b.Len() > 0 && !p.joined {
		p.b.WriteByte('\n')
	}
	p.joined = false
}

func (l layout) facts(p *parts, facts []string) {
	for i, fact := range facts {
		switch i {
		case 0:
			p.begin()
			fmt.Fprintf(p.b, l.fact, l.sentence(fact))
		default:
			if i == 1 {
				p.b.WriteString(l.gap)
			}
			fmt.Fprintf(p.b, l.item, l.sentence(fact))
		}
	}
}

func (l layout) notes(p *parts, notes []string) {
	for i, note := range notes {
		if i == 0 {
			p.begin()
		} else {
			p.b.WriteString(l.gap)
		}
		fmt.Fprintln(p.b, l.sentence(note))
	}
}

func (l layout) sentence(s string) string { return wrap(l.escape(s), l.line-len(indent)) }

// writeTable writes a table, no blanks at the ends of lines.
func (l layout) writeTable(b *strings.Builder, t Table) error {
	align := make([]tw.Align, len(t.Columns))
	rows := make([][]string, 1+len(t.Rows)) // the header before the others
	for i, c := range t.Columns {
		rows[0] = append(rows[0], l.escape(c.Name))
		if align[i] = tw.AlignRight; c.Left {
			align[i] = tw.AlignLeft
		}
	}
	for i, row := range t.Rows {
		for _, c := range row {
			rows[1+i] = append(rows[1+i], l.escape(c.Text))
		}
	}
	rows = l.fit(rows, t.Columns)
	// The defaults wrap numbers, and put spaces and capitals into kmem-B/1000zombies.
	cell := tw.CellConfig{
		Formatting: tw.CellFormatting{AutoWrap: tw.WrapNone, AutoFormat: tw.Off},
		Alignment:  tw.CellAlignment{Global: tw.AlignRight, PerColumn: align},
	}
	var out strings.Builder
	table := tablewriter.NewTable(&out, l.table(), tablewriter.WithConfig(tablewriter.Config{Header: cell, Row: cell}))
	table.Header(rows[0])
	if err := table.Bulk(rows[1:]); err != nil {
		return err
	}
	if err := table.Render(); err != nil {
		return err
	}
	for line := range strings.Lines(out.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return nil
}

// fit breaks words into lines so that the table is no wider than the page, and the
// lines are as long as they can be then. Numbers stay whole.
func (l layout) fit(rows [][]string, columns []Column) [][]string {
	broken := func(width int) (lines [][]string, total int) {
		lines = make([][]string, len(rows))
		for j, c := range columns {
			widest := 0
			for i, row := range rows {
				text := row[j]
				if c.Left || i == 0 {
					text = wrap(text, width)
				}
				for line := range strings.SplitSeq(text, "\n") {
					widest = max(widest, twwidth.Width(line))
				}
				lines[i] = append(lines[i], text)
			}
			total += 1 + widest + 1
		}
		return lines, total
	}
	if _, total := broken(math.MaxInt); total <= l.page {
		return rows
	}
	width := sort.Search(l.page, func(w int) bool { _, total := broken(w + 1); return total > l.page })
	lines, _ := broken(max(width, phrase))
	return lines
}

// indent begins each further line of a cell, which would look like a row without it.
const indent = "  "

// phrase is how many columns words get to be read as one, though the table be too wide
// for the page.
const phrase = 15

// wrap breaks a text into lines of at most so many columns: between words, and within
// paths and names of benchmarks that are longer than a line.
func wrap(s string, width int) string {
	var b strings.Builder
	at := 0
	for _, word := range strings.SplitAfter(s, " ") {
		parts := []string{word}
		if len(indent)+twwidth.Width(strings.TrimSpace(word)) > width {
			parts = strings.SplitAfter(word, "/")
		}
		for _, part := range parts {
			if at > 0 && at+twwidth.Width(strings.TrimSpace(part)) > width {
				b.WriteString("\n" + indent)
				at = len(indent)
			}
			b.WriteString(part)
			at += twwidth.Width(part)
		}
	}
	return strings.ReplaceAll(b.String(), " \n", "\n")
}
