package main

import (
	"io"
	"slices"
	"strings"

	"zombench/results/report"
)

// writeText writes a sentence, a table and remarks, a line each, for a terminal.
func writeText(w io.Writer, sentence string, header []string, rows [][]string, remarks string) error {
	return tableDoc(sentence, header, rows, remarks).Write(w, report.Text)
}

// writeMarkdown writes the same in GitHub's Markdown.
func writeMarkdown(w io.Writer, sentence string, header []string, rows [][]string, remarks string) error {
	return tableDoc(sentence, header, rows, remarks).Write(w, report.Markdown)
}

// tableDoc makes a document of words alone.
func tableDoc(sentence string, header []string, rows [][]string, remarks string) report.Doc {
	d := report.Doc{Facts: []string{sentence}}
	var t report.Table
	for i, name := range header {
		words := slices.ContainsFunc(rows, func(row []string) bool { return !numeric(row[i]) })
		t.Columns = append(t.Columns, report.Column{Name: name, Left: words})
	}
	for _, row := range rows {
		var cells []report.Cell
		for _, text := range row {
			cells = append(cells, report.Words(text))
		}
		t.Rows = append(t.Rows, cells)
	}
	if len(rows) > 0 {
		d.Sections = []report.Section{{Tables: []report.Table{t}}}
	}
	for line := range strings.Lines(remarks) {
		d.Notes = append(d.Notes, strings.TrimSuffix(line, "\n"))
	}
	return d
}

// numeric reports whether a cell is a number or stands for one.
func numeric(cell string) bool {
	return cell == "" || cell == unbounded || cell[0] >= '0' && cell[0] <= '9'
}
