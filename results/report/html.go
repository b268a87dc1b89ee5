package report

import (
	_ "embed"
	"html/template"
	"strings"

	"zombench/results"
	"zombench/results/figure"
)

//go:embed page.html
var pageSource string

// writeHTML writes one file that needs no other: styles and pictures are in it,
// and there are no scripts.
func writeHTML(b *strings.Builder, d Doc) error {
	// Parsed at each call, for a command has one and a package-level variable
	// would cost every program its start.
	t, err := template.New("page").Funcs(template.FuncMap{
		"printable": results.Printable,
		"svg": func(f figure.Figure) (template.HTML, error) {
			svg, err := f.SVG()
			return template.HTML(svg), err
		},
	}).Parse(pageSource)
	if err != nil {
		return err
	}
	return t.Execute(b, d)
}
