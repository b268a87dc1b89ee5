// Package table prints tables for people: for a terminal, or as GitHub's
// Markdown, to be pasted.
//
// It believes that whatever a cell holds is text. Names come from files, from
// kernels and from users, and none of them may break a table, forge a line or
// command a terminal. It knows nothing of numbers: who calls it formats them.
package table

import (
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// A Format is where a table will be read.
type Format int

const (
	Text     Format = iota // a terminal
	Markdown               // GitHub's
)

// A Table is a header and rows, each as long as the header.
type Table struct {
	Header []string
	Rows   [][]string
	Left   func(column int) bool // which columns begin on the left; nil for none
}

// Write writes the table, every text in it escaped, no blanks at the ends of
// lines.
func (t Table) Write(w io.Writer, f Format) error {
	align := make([]tw.Align, len(t.Header))
	for i := range align {
		align[i] = tw.AlignRight
		if t.Left != nil && t.Left(i) {
			align[i] = tw.AlignLeft
		}
	}
	// The defaults wrap cells, and put spaces and capitals into kmem-B/1000zombies.
	cell := tw.CellConfig{
		Formatting: tw.CellFormatting{AutoWrap: tw.WrapNone, AutoFormat: tw.Off},
		Alignment:  tw.CellAlignment{Global: tw.AlignRight, PerColumn: align},
	}
	var b strings.Builder
	table := tablewriter.NewTable(&b, f.renderer(), tablewriter.WithConfig(tablewriter.Config{Header: cell, Row: cell}))
	table.Header(f.escapeAll(t.Header))
	for _, row := range t.Rows {
		if err := table.Append(f.escapeAll(row)); err != nil {
			return err
		}
	}
	if err := table.Render(); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		if _, err := io.WriteString(w, strings.TrimRight(line, " \n")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

func (f Format) renderer() tablewriter.Option {
	if f == Markdown {
		return tablewriter.WithRenderer(renderer.NewMarkdown())
	}
	return tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
		Borders: tw.BorderNone,
		Settings: tw.Settings{
			Separators: tw.Separators{BetweenColumns: tw.Off, BetweenRows: tw.Off},
			Lines:      tw.Lines{ShowHeaderLine: tw.On},
		},
	}))
}

func (f Format) escapeAll(texts []string) []string {
	escaped := make([]string, len(texts))
	for i, s := range texts {
		escaped[i] = f.Escape(s)
	}
	return escaped
}

// Escape makes text of anything: no line of its own, nothing that a terminal
// would obey and, in Markdown, no markup, no HTML and no new cell.
func (f Format) Escape(s string) string {
	if f == Markdown {
		return escapeUnderscores(markdown.Replace(Printable(s)))
	}
	return Printable(s)
}

// Printable replaces what a terminal would obey.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

var markdown = strings.NewReplacer(
	`\`, `\\`, "|", `\|`, "`", "\\`", "*", `\*`, "[", `\[`, "]", `\]`,
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "~", `\~`,
)

// escapeUnderscores escapes those that could be markup: within a word, as in
// task_struct, they are none (GitHub Flavored Markdown, 6.4).
func escapeUnderscores(s string) string {
	var b strings.Builder
	word := false // what comes before belongs to a word
	for i, r := range s {
		if r == '_' {
			next, _ := utf8.DecodeRuneInString(s[i+1:])
			if !word || !inWord(next) {
				b.WriteByte('\\')
			}
			word = false
		} else {
			word = inWord(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

func inWord(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }
