package results

import (
	"fmt"
	"strings"

	"zombench/results/table"
)

func (r Report) markdown(b *strings.Builder) error {
	for _, s := range r.Summaries {
		fmt.Fprintf(b, "**%s**\n\n", table.Markdown.Escape(s.Sentence()))
		for _, fact := range r.evidence(s) {
			fmt.Fprintf(b, "- %s\n", table.Markdown.Escape(fact))
		}
		b.WriteByte('\n')
	}
	for i, g := range r.grids() {
		if i > 0 {
			b.WriteByte('\n')
		}
		if g.title != "" {
			fmt.Fprintf(b, "**%s**\n\n", table.Markdown.Escape(g.title))
		}
		if err := g.table().Write(b, table.Markdown); err != nil {
			return err
		}
		b.WriteByte('\n')
		for _, note := range g.notes {
			fmt.Fprintln(b, table.Markdown.Escape(note))
		}
	}
	return nil
}
