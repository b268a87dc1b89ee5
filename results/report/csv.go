package report

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// writeCSV writes each table with a header row, tables an empty line apart. A
// number stands in its base unit, none as nothing, and a column with intervals is
// followed by two with their ends.
func writeCSV(b *strings.Builder, d Doc) error {
	for _, s := range d.Sections {
		for _, t := range s.Tables {
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			if err := t.writeCSV(b); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t Table) writeCSV(b *strings.Builder) error {
	w := csv.NewWriter(b)
	numbers, intervals := make([]bool, len(t.Columns)), make([]bool, len(t.Columns))
	var header []string
	for i, c := range t.Columns {
		for _, row := range t.Rows {
			numbers[i] = numbers[i] || row[i].Value != nil
			intervals[i] = intervals[i] || row[i].Lo != nil || row[i].Hi != nil
		}
		name := c.Name
		switch {
		case c.Unit == "":
		case strings.HasPrefix(c.Unit, c.Name):
			name = c.Unit
		default:
			name = fmt.Sprintf("%s (%s)", name, c.Unit)
		}
		for n := 2; slices.Contains(header, name); n++ { // several columns n, say
			name = fmt.Sprintf("%s %d", c.Name, n)
		}
		header = append(header, name)
		if intervals[i] {
			header = append(header, name+" lo", name+" hi")
		}
	}
	w.Write(header) // the error is kept for w.Error
	for _, row := range t.Rows {
		var line []string
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
