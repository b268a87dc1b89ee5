package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"zombench/results/table"
)

// writeText writes a sentence, a table and remarks, a line each, for a terminal.
func writeText(w io.Writer, sentence string, header []string, rows [][]string, remarks string) error {
	return writeTable(w, table.Text, sentence, header, rows, remarks)
}

// writeMarkdown writes the same in GitHub's Markdown.
func writeMarkdown(w io.Writer, sentence string, header []string, rows [][]string, remarks string) error {
	return writeTable(w, table.Markdown, sentence, header, rows, strings.ReplaceAll(remarks, "\n", "\n\n"))
}

func writeTable(w io.Writer, f table.Format, sentence string, header []string, rows [][]string, remarks string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", f.Escape(sentence))
	if len(rows) > 0 {
		words := func(column int) bool {
			return slices.ContainsFunc(rows, func(row []string) bool { return !numeric(row[column]) })
		}
		if err := (table.Table{Header: header, Rows: rows, Left: words}).Write(&b, f); err != nil {
			return err
		}
		b.WriteByte('\n')
	}
	for line := range strings.Lines(remarks) {
		fmt.Fprintln(&b, f.Escape(strings.TrimSuffix(line, "\n")))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// numeric reports whether a cell is a number or stands for one.
func numeric(cell string) bool {
	return cell == "" || cell == unbounded || cell[0] >= '0' && cell[0] <= '9'
}
