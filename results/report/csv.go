package report

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// writeCSV writes each table with a header row, tables an empty line apart; one
// that has a name, or a heading, begins with a column of it. A number stands in
// its base unit, none as nothing, and a column with intervals is followed by two
// with their ends.
func writeCSV(b *strings.Builder, d Doc) error {
	for _, s := range d.Sections {
		for _, t := range s.Tables {
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			if err := t.writeCSV(b, cmp.Or(t.Name, s.Heading)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t Table) writeCSV(b *strings.Builder, table string) error {
	w := csv.NewWriter(b)
	numbers, intervals := make([]bool, len(t.Columns)), make([]bool, len(t.Columns))
	var header, name []string
	if table != "" {
		header, name = []string{"table"}, []string{table}
	}
	for i, c := range t.Columns {
		for _, row := range t.Rows {
			numbers[i] = numbers[i] || row[i].Value != nil
			intervals[i] = intervals[i] || row[i].Lo != nil || row[i].Hi != nil
		}
		title := c.Name
		switch {
		case c.Unit == "":
		case strings.HasPrefix(c.Unit, c.Name):
			title = c.Unit
		default:
			title = fmt.Sprintf("%s (%s)", title, c.Unit)
		}
		for n := 2; slices.Contains(header, title); n++ { // several columns n, say
			title = fmt.Sprintf("%s %d", c.Name, n)
		}
		header = append(header, title)
		if intervals[i] {
			header = append(header, title+" lo", title+" hi")
		}
	}
	w.Write(header) // the error is kept for w.Error
	for _, row := range t.Rows {
		line := slices.Clone(name)
		for i, c := range row {
			text := c.Text
			if numbers[i] {
				text = raw(c.Value)
			}
			line = append(line, text)
			if intervals[i] {
				line = append(line, raw(c.Lo), raw(c.Hi))
			}
		}
		w.Write(line)
	}
	w.Flush()
	return w.Error()
}

// raw formats a number for programs, none as nothing.
func raw(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'g', -1, 64)
}
