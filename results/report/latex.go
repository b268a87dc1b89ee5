package report

import (
	_ "embed"
	"strings"
	"text/template"
)

//go:embed page.tex
var latexSource string

// writeLaTeX writes paragraphs and plain tabulars, for a paper: no package is
// needed.
func writeLaTeX(b *strings.Builder, d Doc) error {
	t, err := template.New("page").Delims("[[", "]]").Funcs(template.FuncMap{"tex": escapeLaTeX}).Parse(strings.TrimSuffix(latexSource, "\n"))
	if err != nil {
		return err
	}
	return t.Execute(b, d)
}
