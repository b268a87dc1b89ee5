package results

import (
	"fmt"
	"strings"

	"zombench/results/table"
)

func (r Report) text(b *strings.Builder) error {
	for _, s := range r.Summaries {
		fmt.Fprintln(b, table.Printable(s.Sentence()))
		for _, fact := range r.evidence(s) {
			fmt.Fprintln(b, "  "+table.Printable(fact))
		}
		b.WriteByte('\n')
	}
	for i, g := range r.grids() {
		if i > 0 {
			b.WriteByte('\n')
		}
		if g.title != "" {
			fmt.Fprintln(b, table.Printable(g.title))
		}
		if err := g.table().Write(b, table.Text); err != nil {
			return err
		}
		for _, note := range g.notes {
			fmt.Fprintln(b, table.Printable(note))
		}
	}
	return nil
}
