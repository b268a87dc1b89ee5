package results

import (
	"strings"
	"unicode"
)

// Printable replaces what a terminal would obey: white space of any kind becomes a
// space, what cannot be printed the replacement character. Names in results come
// from files, from kernels and from users.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
