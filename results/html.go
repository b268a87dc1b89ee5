package results

import (
	_ "embed"
	"html/template"
	"strings"

	"zombench/results/table"
)

//go:embed report.html
var htmlSource string

// html writes one file that needs no other: styles and figures are in it, and
// there are no scripts.
func (r Report) html(b *strings.Builder) error {
	// Parsed at each call, for a report has one and a package-level variable
	// would cost every program its start.
	t, err := template.New("report").Parse(htmlSource)
	if err != nil {
		return err
	}
	type summary struct {
		Sentence string
		Facts    []string
	}
	type sheet struct {
		Title  string
		Header []string
		Rows   [][]string
		Labels int // columns that name the row
		Notes  []string
	}
	type figure struct {
		Title, Caption string
		SVG            template.HTML
	}
	var doc struct {
		Title     string
		Summaries []summary
		Tables    []sheet
		Figures   []figure
	}
	doc.Title = "What zombies cost"
	for _, s := range r.Summaries {
		one := summary{Sentence: table.Printable(s.Sentence())}
		for _, fact := range r.evidence(s) {
			one.Facts = append(one.Facts, table.Printable(fact))
		}
		doc.Summaries = append(doc.Summaries, one)
	}
	for _, g := range r.grids() {
		g = g.escaped(table.Printable)
		doc.Tables = append(doc.Tables, sheet{Title: g.title, Header: g.header, Rows: g.rows, Labels: g.labels, Notes: g.notes})
	}
	figures, err := r.Figures(nil)
	if err != nil {
		return err
	}
	for _, f := range figures {
		svg, err := f.inline()
		if err != nil {
			return err
		}
		doc.Figures = append(doc.Figures, figure{f.Title, f.Caption, template.HTML(svg)})
	}
	return t.Execute(b, doc)
}
