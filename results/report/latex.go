package report

import (
	"fmt"
	"strings"
)

// writeLaTeX writes paragraphs and plain tabulars, for a paper: no package is
// needed.
func writeLaTeX(b *strings.Builder, d Doc) error {
	if d.Title != "" {
		fmt.Fprintf(b, "\\section*{%s}\n\n", escapeLaTeX(d.Title))
	}
	latexFacts(b, d.Facts)
	for _, s := range d.Sections {
		if s.Heading != "" {
			fmt.Fprintf(b, "\\subsection*{%s}\n\n", escapeLaTeX(s.Heading))
		}
		latexFacts(b, s.Facts)
		for _, t := range s.Tables {
			t.writeLaTeX(b)
		}
		for _, note := range s.Notes {
			fmt.Fprintf(b, "\\noindent %s\n\n", escapeLaTeX(note))
		}
	}
	for _, note := range d.Notes {
		fmt.Fprintf(b, "\\noindent %s\n\n", escapeLaTeX(note))
	}
	return nil
}

func latexFacts(b *strings.Builder, facts []string) {
	if len(facts) == 0 {
		return
	}
	fmt.Fprintf(b, "%s\n\n", escapeLaTeX(facts[0]))
	if len(facts) > 1 {
		b.WriteString("\\begin{itemize}\n")
		for _, fact := range facts[1:] {
			fmt.Fprintf(b, "  \\item %s\n", escapeLaTeX(fact))
		}
		b.WriteString("\\end{itemize}\n\n")
	}
}

func (t Table) writeLaTeX(b *strings.Builder) {
	if t.Name != "" {
		fmt.Fprintf(b, "\\noindent\\textbf{%s}\n\n", escapeLaTeX(t.Name))
	}
	var names []string
	align := ""
	for _, c := range t.Columns {
		names = append(names, escapeLaTeX(c.Name))
		if c.Left {
			align += "l"
		} else {
			align += "r"
		}
	}
	fmt.Fprintf(b, "\\noindent\\begin{tabular}{%s}\n\\hline\n%s \\\\\n\\hline\n", align, strings.Join(names, " & "))
	for _, row := range t.Rows {
		var cells []string
		for _, c := range row {
			cells = append(cells, escapeLaTeX(c.Text))
		}
		fmt.Fprintf(b, "%s \\\\\n", strings.Join(cells, " & "))
	}
	b.WriteString("\\hline\n\\end{tabular}\n\n")
}
