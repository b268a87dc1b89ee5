package report

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"zombench/results"
)

// Whatever a document says is text: names come from files, from kernels and from
// users, and none of them may break a table, forge a line or command a terminal.

// escapeMarkdown makes text of anything: no line of its own, no markup, no HTML and
// no new cell.
func escapeMarkdown(s string) string {
	return escapeUnderscores(markdownEscapes.Replace(results.Printable(s)))
}

var markdownEscapes = strings.NewReplacer(
	`\`, `\\`, "|", `\|`, "`", "\\`", "*", `\*`, "[", `\[`, "]", `\]`,
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "~", `\~`,
)

// escapeUnderscores escapes those that could be markup: within a word, as in
// task_struct, they are none (GitHub Flavored Markdown, 6.4).
func escapeUnderscores(s string) string {
	var b strings.Builder
	word := false // what comes before belongs to a word
	for i, r := range s {
		if r == '_' {
			next, _ := utf8.DecodeRuneInString(s[i+1:])
			if !word || !inWord(next) {
				b.WriteByte('\\')
			}
			word = false
		} else {
			word = inWord(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

func inWord(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }

var latexEscapes = strings.NewReplacer(
	`\`, `\textbackslash{}`, "{", `\{`, "}", `\}`, "$", `\$`, "&", `\&`, "#", `\#`, "%", `\%`, "_", `\_`,
	"^", `\textasciicircum{}`, "~", `\textasciitilde{}`, "<", `\textless{}`, ">", `\textgreater{}`, "|", `\textbar{}`,
	"\"", "''", "`", `\textasciigrave{}`, "[", "{[}", "]", "{]}",
	"±", `$\pm$`, "µ", `$\mu$`, "∞", `$\infty$`, "→", `$\to$`, "\uFFFD", "?",
)

// escapeLaTeX makes text of anything: no command and no new cell. What pdflatex
// has no letter for by itself becomes a question mark.
func escapeLaTeX(s string) string {
	return strings.Map(func(r rune) rune {
		if r > 0x17F {
			return '?'
		}
		return r
	}, latexEscapes.Replace(results.Printable(s)))
}
