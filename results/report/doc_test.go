package report

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
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

// A table that is wider than the page has its words and names broken, and no number;
// one that fits is left alone.
func TestWide(t *testing.T) {
	const about, name = "what zombies hold that were created by fork and exec", "Zombies/count=500,1000/parallel=50/spawn=exec"
	table := Table{Columns: []Column{{Name: "benchmark", Left: true}, {Name: "room for zombies"}, {Name: "measures", Left: true}}}
	table.Row(name, Number(12.5, "12.5 MiB each"), about)
	table.Row("Control", 7, "nothing")
	for _, tt := range []struct{ width, widest, lines int }{
		{200, 120, 4}, {100, 100, 5}, {80, 80, 5}, {40, 59, 9},
	} {
		text := render(t, Doc{Width: tt.width, Sections: []Section{{Tables: []Table{table}}}}, Text)
		lines := strings.Split(strings.Trim(text, "\n"), "\n")
		widest := slices.MaxFunc(lines, func(a, b string) int { return utf8.RuneCountInString(a) - utf8.RuneCountInString(b) })
		if n := utf8.RuneCountInString(widest); n > tt.widest || len(lines) != tt.lines || !strings.Contains(text, " 12.5 MiB each ") {
			t.Errorf("%d columns: %d lines of up to %d:\n%s", tt.width, len(lines), n, text)
		}
	}
}

// On a terminal sentences are broken between words.
func TestSentences(t *testing.T) {
	l := terminal(nil, Doc{})
	l.line = 20
	var b strings.Builder
	d := Doc{Facts: []string{"1000 zombies hold 9.8 MiB of it", "charged: 9.2 MiB"}, Notes: []string{"see /sys/kernel/slab/task_struct"}}
	if err := l.write(&b, d); err != nil {
		t.Fatal(err)
	}
	const want = "1000 zombies hold\n  9.8 MiB of it\n  charged: 9.2 MiB\n\nsee /sys/kernel/\n  slab/task_struct\n"
	if b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
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
