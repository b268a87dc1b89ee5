package table

import (
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	hostile := Table{
		Header: []string{"cache", "n"},
		Rows:   [][]string{{"task_struct", "1"}, {"a|b\n<script>\x1b[31m", ""}, {"_x_ *y* `z`", "10"}},
		Left:   func(column int) bool { return column == 0 },
	}
	for _, tt := range []struct {
		format Format
		want   string
	}{
		{Text, ` cache               n
───────────────────────
 task_struct         1
 a|b <script>�[31m
 _x_ *y* ` + "`z`" + `        10
`},
		{Markdown, `| cache                     |  n |
|:--------------------------|---:|
| task_struct               |  1 |
| a\|b &lt;script&gt;�\[31m |    |
| \_x\_ \*y\* ` + "\\`z\\`" + `         | 10 |
`},
	} {
		var b strings.Builder
		if err := hostile.Write(&b, tt.format); err != nil {
			t.Fatal(err)
		}
		if b.String() != tt.want {
			t.Errorf("format %d:\n%s\nwant\n%s", tt.format, b.String(), tt.want)
		}
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
		if got := Markdown.Escape(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}
