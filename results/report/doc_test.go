package report

import (
	"encoding/json"
	"testing"
)

// sample is a document with everything that one can have, of hostile words.
func sample() Doc {
	lo := 1.5
	return Doc{
		Title: "Title <b>",
		Facts: []string{"The answer.", "because", "and | because"},
		Sections: []Section{
			{Heading: "First", Facts: []string{"a fact"}, Tables: []Table{
				{Columns: []Column{{Name: "cache", Left: true}, {Name: "n"}},
					Rows: [][]Cell{{Words("task_struct"), Number(1, "1")}, {Words("a|b\n<script>\x1b[31m"), Words("-")}, {Words("_x_ *y* `z`"), {Text: "10", Value: new(float64), Lo: &lo}}}},
				{Name: "second", Columns: []Column{{Name: "n", Unit: "B"}, {Name: "n"}}, Rows: [][]Cell{{Words("x"), Words("y")}}},
			}, Notes: []string{"how to read it", "another"}},
			{Notes: []string{"of nothing"}},
		},
		Notes: []string{"the end"},
	}
}

func TestDoc(t *testing.T) {
	for _, format := range Formats() {
		t.Run(string(format), func(t *testing.T) { golden(t, "doc."+string(format), []byte(render(t, sample(), format))) })
	}
	empty := Doc{}
	for _, format := range []Format{Text, Markdown, CSV, LaTeX} {
		if text := render(t, empty, format); text != "" {
			t.Errorf("%s of nothing: %q", format, text)
		}
	}
	d := sample()
	d.Data = map[string]int{"data": 1}
	var got map[string]int
	if err := json.Unmarshal([]byte(render(t, d, JSON)), &got); err != nil || got["data"] != 1 {
		t.Error(got, err)
	}
}

func TestEscape(t *testing.T) {
	for s, want := range map[string]string{
		"task_struct":   "task_struct",
		"_emphasis_":    `\_emphasis\_`,
		"a__b":          `a\_\_b`,
		"_":             `\_`,
		"6_1":           "6_1",
		`back\slash`:    `back\\slash`,
		"~no change~":   `\~no change\~`,
		"&lt;":          "&amp;lt;",
		"[link](x)":     `\[link\](x)`,
		"two\r\nlines":  "two  lines",
		"\xff broken":   "� broken",
		"übergröße_ist": "übergröße_ist",
	} {
		if got := escapeMarkdown(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}
