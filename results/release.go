package results

import (
	"cmp"
	"strconv"
	"strings"
)

// CompareReleases orders releases of kernels (uname -r): numbers in them count as such.
func CompareReleases(a, b string) int {
	for a != "" && b != "" {
		wordA, numberA, restA := leading(a)
		wordB, numberB, restB := leading(b)
		if c := cmp.Or(cmp.Compare(wordA, wordB), cmp.Compare(numberA, numberB)); c != 0 {
			return c
		}
		a, b = restA, restB
	}
	return cmp.Compare(len(a), len(b))
}

// leading takes what is not a number off s, and the number behind it.
func leading(s string) (word string, number int, rest string) {
	i := strings.IndexAny(s, digits)
	if i < 0 {
		return s, 0, ""
	}
	word, s = s[:i], s[i:]
	rest = strings.TrimLeft(s, digits)
	number, _ = strconv.Atoi(s[:len(s)-len(rest)])
	return word, number, rest
}

const digits = "0123456789"

// Flavour returns the words of a release behind its version, such as rt-amd64.
func Flavour(release string) string {
	var words []string
	for i, word := range strings.Split(release, "-") {
		if i > 0 && word != "" && !strings.Contains(digits, word[:1]) {
			words = append(words, word)
		}
	}
	return strings.Join(words, "-")
}
