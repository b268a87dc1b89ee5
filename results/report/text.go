package report

import (
	"fmt"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"zombench/results"
)

// A layout is how people read a document: on a terminal, or as GitHub's Markdown.
type layout struct {
	escape            func(string) string
	title, fact, item string // formats of a heading, of the first fact, and of the others
	gap               string // behind what Markdown would take for the beginning of a table
	table             func() tablewriter.Option
}

var terminal = layout{results.Printable, "%s\n", "%s\n", "  %s\n", "", func() tablewriter.Option {
	return tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
		Borders: tw.BorderNone,
		Settings: tw.Settings{
			Separators: tw.Separators{BetweenColumns: tw.Off, BetweenRows: tw.Off},
			Lines:      tw.Lines{ShowHeaderLine: tw.On},
		},
	}))
}}

var markdown = layout{escapeMarkdown, "**%s**\n", "**%s**\n", "- %s\n", "\n", func() tablewriter.Option {
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
			fmt.Fprintf(p.b, l.fact, l.escape(fact))
		default:
			if i == 1 {
				p.b.WriteString(l.gap)
			}
			fmt.Fprintf(p.b, l.item, l.escape(fact))
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
		fmt.Fprintln(p.b, l.escape(note))
	}
}

// writeTable writes a table, no blanks at the ends of lines.
func (l layout) writeTable(b *strings.Builder, t Table) error {
	align := make([]tw.Align, len(t.Columns))
	header := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		header[i] = l.escape(c.Name)
		if align[i] = tw.AlignRight; c.Left {
			align[i] = tw.AlignLeft
		}
	}
	// The defaults wrap cells, and put spaces and capitals into kmem-B/1000zombies.
	cell := tw.CellConfig{
		Formatting: tw.CellFormatting{AutoWrap: tw.WrapNone, AutoFormat: tw.Off},
		Alignment:  tw.CellAlignment{Global: tw.AlignRight, PerColumn: align},
	}
	var out strings.Builder
	table := tablewriter.NewTable(&out, l.table(), tablewriter.WithConfig(tablewriter.Config{Header: cell, Row: cell}))
	table.Header(header)
	for _, row := range t.Rows {
		texts := make([]string, len(row))
		for i, c := range row {
			texts[i] = l.escape(c.Text)
		}
		if err := table.Append(texts); err != nil {
			return err
		}
	}
	if err := table.Render(); err != nil {
		return err
	}
	for line := range strings.Lines(out.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return nil
}
