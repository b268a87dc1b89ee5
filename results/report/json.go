package report

import (
	"encoding/json"
	"strings"
)

// writeJSON writes the data of a document, or the document itself.
func writeJSON(b *strings.Builder, d Doc) error {
	enc := json.NewEncoder(b)
	enc.SetIndent("", "\t")
	if d.Data != nil {
		return enc.Encode(d.Data)
	}
	doc := jsonDoc{Title: d.Title, Facts: d.Facts, Sections: []jsonSection{}, Notes: d.Notes}
	for _, s := range d.Sections {
		section := jsonSection{Heading: s.Heading, Facts: s.Facts, Notes: s.Notes}
		for _, t := range s.Tables {
			section.Tables = append(section.Tables, t.json())
		}
		doc.Sections = append(doc.Sections, section)
	}
	return enc.Encode(doc)
}

type (
	jsonDoc struct {
		Title    string        `json:"title,omitempty"`
		Facts    []string      `json:"facts,omitempty"`
		Sections []jsonSection `json:"sections"`
		Notes    []string      `json:"notes,omitempty"`
	}
	jsonSection struct {
		Heading string      `json:"heading,omitempty"`
		Facts   []string    `json:"facts,omitempty"`
		Tables  []jsonTable `json:"tables,omitempty"`
		Notes   []string    `json:"notes,omitempty"`
	}
	jsonTable struct {
		Name    string            `json:"name,omitempty"`
		Columns []jsonColumn      `json:"columns"`
		Rows    [][]jsonTableCell `json:"rows"`
	}
	jsonColumn struct {
		Name string `json:"name"`
		Unit string `json:"unit,omitempty"`
	}
	jsonTableCell struct {
		Text  string   `json:"text"`
		Value *float64 `json:"value,omitempty"`
		Lo    *float64 `json:"lo,omitempty"`
		Hi    *float64 `json:"hi,omitempty"`
	}
)

func (t Table) json() jsonTable {
	j := jsonTable{Name: t.Name, Rows: [][]jsonTableCell{}}
	for _, c := range t.Columns {
		j.Columns = append(j.Columns, jsonColumn{c.Name, c.Unit})
	}
	for _, row := range t.Rows {
		var cells []jsonTableCell
		for _, c := range row {
			cells = append(cells, jsonTableCell(c))
		}
		j.Rows = append(j.Rows, cells)
	}
	return j
}
