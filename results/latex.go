package results

import (
	"fmt"
	"strings"

	"zombench/results/table"
)

// latex writes sentences as paragraphs and tables as plain tabulars: no package
// is needed.
func (r Report) latex(b *strings.Builder) error {
	for _, s := range r.Summaries {
		fmt.Fprintf(b, "%s\n\n", latexText(s.Sentence()))
		if facts := r.evidence(s); len(facts) > 0 {
			b.WriteString("\\begin{itemize}\n")
			for _, fact := range facts {
				fmt.Fprintf(b, "  \\item %s\n", latexText(fact))
			}
			b.WriteString("\\end{itemize}\n\n")
		}
	}
	for i, g := range r.grids() {
		g = g.escaped(latexText)
		if i > 0 {
			b.WriteByte('\n')
		}
		if g.title != "" {
			fmt.Fprintf(b, "\\noindent\\textbf{%s}\n\n", g.title)
		}
		fmt.Fprintf(b, "\\noindent\\begin{tabular}{%s}\n\\hline\n", strings.Repeat("r", len(g.header)))
		fmt.Fprintf(b, "%s \\\\\n\\hline\n", strings.Join(g.header, " & "))
		for _, row := range g.rows {
			fmt.Fprintf(b, "%s \\\\\n", strings.Join(row, " & "))
		}
		b.WriteString("\\hline\n\\end{tabular}\n")
		for _, note := range g.notes {
			fmt.Fprintf(b, "\n\\noindent %s\n", note)
		}
	}
	return nil
}

var latexEscapes = strings.NewReplacer(
	`\`, `\textbackslash{}`, "{", `\{`, "}", `\}`, "$", `\$`, "&", `\&`, "#", `\#`, "%", `\%`, "_", `\_`,
	"^", `\textasciicircum{}`, "~", `\textasciitilde{}`, "<", `\textless{}`, ">", `\textgreater{}`, "|", `\textbar{}`,
	"\"", "''", "`", `\textasciigrave{}`, "[", "{[}", "]", "{]}",
	"±", `$\pm$`, "µ", `$\mu$`, "∞", `$\infty$`, "→", `$\to$`, "\uFFFD", "?",
)

// latexText makes text of anything: no command and no new cell. What pdflatex
// has no letter for by itself becomes a question mark.
func latexText(s string) string {
	s = latexEscapes.Replace(table.Printable(s))
	return strings.Map(func(r rune) rune {
		if r > 0x17F {
			return '?'
		}
		return r
	}, s)
}
