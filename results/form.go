package results

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A form is what stands in one comment `NAME: KEY=VALUE KEY=VALUE`.
type form interface {
	form() (name *string, fields []field)
	check() error
}

// A field is one KEY=VALUE: how it is written, and what reads it.
type field struct {
	key  string
	text func() string
	read func(string) error
}

// formText writes a form.
func formText(f form) string {
	name, fields := f.form()
	return escape(*name) + ": " + fieldsText(fields)
}

func fieldsText(fields []field) string {
	var parts []string
	for _, f := range fields {
		parts = append(parts, f.key+"="+f.text())
	}
	return strings.Join(parts, " ")
}

// readForm reads what formText writes; what names the kind of comment in errors.
// It is free text (ok is false and there is no error) unless it begins like that.
func readForm[T any, F interface {
	*T
	form
}](what, text string) (v T, ok bool, err error) {
	name, rest, found := strings.Cut(text, ": ")
	if !found || strings.ContainsFunc(name, unicode.IsSpace) || !isField(rest) {
		return v, false, nil
	}
	to, fields := F(&v).form()
	if err = readFields(rest, fields); err == nil {
		*to, err = url.PathUnescape(name)
	}
	if err == nil {
		err = F(&v).check()
	}
	if err != nil {
		return v, false, fmt.Errorf("%s %s: %w", what, name, err)
	}
	return v, true, nil
}

// isField reports whether a text begins with KEY=VALUE.
func isField(text string) bool {
	first, _, _ := strings.Cut(strings.TrimLeft(text, " \t"), " ")
	return strings.Contains(first, "=")
}

// readFields reads fields in any order. Every one must be there, and once.
func readFields(text string, fields []field) error {
	for pair := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(pair, "=")
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == key })
		if i < 0 {
			return fmt.Errorf("unknown or repeated field %q", key)
		}
		if err := fields[i].read(value); err != nil {
			return fmt.Errorf("field %s: %w", key, err)
		}
		fields = slices.Delete(slices.Clone(fields), i, i+1)
	}
	if len(fields) > 0 {
		return fmt.Errorf("field %s is missing", fields[0].key)
	}
	return nil
}

func count(key string, n *uint64) field {
	return field{key, func() string { return strconv.FormatUint(*n, 10) }, func(v string) (err error) {
		if *n, err = strconv.ParseUint(v, 10, 64); err != nil {
			return fmt.Errorf("%q is not a count", v)
		}
		return nil
	}}
}

func nanoseconds(key string, d *time.Duration) field {
	return field{key, func() string { return strconv.FormatInt(int64(*d), 10) }, func(v string) error {
		n, err := strconv.ParseInt(v, 10, 64)
		*d = time.Duration(n)
		return err
	}}
}

func flag(key string, b *bool) field {
	return field{key, func() string { return map[bool]string{false: "0", true: "1"}[*b] }, func(v string) (err error) {
		*b, err = strconv.ParseBool(v)
		return err
	}}
}

// A Tristate is yes, no or unknown.
type Tristate string

const (
	Yes     Tristate = "yes"
	No      Tristate = "no"
	Unknown Tristate = "unknown"
)

func (t Tristate) valid() bool { return t == Yes || t == No || t == Unknown }

// tristate is written in the words for yes, no and unknown.
func tristate(key string, t *Tristate, yes, no, unknown string) field {
	words := map[Tristate]string{Yes: yes, No: no, Unknown: unknown, "": unknown}
	return field{key, func() string { return words[*t] }, func(v string) error {
		for _, is := range []Tristate{Yes, No, Unknown} {
			if words[is] == v {
				*t = is
				return nil
			}
		}
		return fmt.Errorf("%q is not %s, %s or %s", v, yes, no, unknown)
	}}
}

// nameList is a list without empty names.
func nameList(key string, list *[]string) field {
	return field{key, func() string {
		var all []string
		for _, name := range *list {
			all = append(all, escape(name))
		}
		return strings.Join(all, ",")
	}, func(v string) error {
		if v == "" {
			return nil
		}
		for name := range strings.SplitSeq(v, ",") {
			name, err := url.PathUnescape(name)
			if err != nil || name == "" {
				return fmt.Errorf("%q is not a list of names", v)
			}
			*list = append(*list, name)
		}
		return nil
	}}
}

// escape writes a name so that it is one word, and can stand in a list and
// before a "=".
func escape(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		if r == '%' || r == '=' || r == ',' || unicode.IsSpace(r) {
			for _, c := range []byte(name[i : i+n]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		} else {
			b.WriteString(name[i : i+n])
		}
		i += n
	}
	return b.String()
}
