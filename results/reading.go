package results

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Reading is what the kernel's counters said at one moment of a trial. In a
// file it is a comment of the form
//
//	# before: pids=17 kmem-B=540672 cache.task_struct=586/196
type Reading struct {
	When     string // one word: before, after, reaped, ...
	Counters []Counter
	// Caches holds the slab caches that moved in this trial. One that is absent
	// moved by less than 4 objects, or than a hundredth of the army if that is more.
	Caches []CacheReading
}

// A Counter is one counter: pids, kmem-B, slab-B and the like, in the unit that
// its name ends in.
type Counter struct {
	Name  string
	Value uint64
}

// A CacheReading is one line of /proc/slabinfo.
type CacheReading struct {
	Name    string
	Objects uint64 // active
	Slabs   uint64
}

// Counter returns the value of a counter.
func (r Reading) Counter(name string) (uint64, bool) {
	for _, c := range r.Counters {
		if c.Name == name {
			return c.Value, true
		}
	}
	return 0, false
}

// Cache returns the reading of a slab cache.
func (r Reading) Cache(name string) (CacheReading, bool) {
	for _, c := range r.Caches {
		if c.Name == name {
			return c, true
		}
	}
	return CacheReading{}, false
}

// cachePrefix marks a slab cache among the counters. Older files had one cache,
// task_struct, under two names of its own.
const (
	cachePrefix   = "cache."
	oldCache      = "task_struct"
	oldCacheSlabs = "task_struct-slabs"
)

// check reports why a reading would not be read back as it is.
func (r Reading) check() error {
	switch {
	case r.When == "" || strings.ContainsFunc(r.When, unicode.IsSpace) || reserved(r.When):
		return fmt.Errorf("reading %q: want one word that has no other meaning in comments", r.When)
	case len(r.Counters)+len(r.Caches) == 0:
		return fmt.Errorf("reading %s: nothing was read", r.When)
	}
	for _, c := range r.Counters {
		if c.Name == "" || strings.ContainsFunc(c.Name, unicode.IsSpace) || strings.Contains(c.Name, "=") ||
			strings.HasPrefix(c.Name, cachePrefix) || c.Name == oldCache || c.Name == oldCacheSlabs {
			return fmt.Errorf("reading %s: %q cannot be the name of a counter", r.When, c.Name)
		}
	}
	for _, c := range r.Caches {
		if c.Name == "" {
			return fmt.Errorf("reading %s: slab cache without a name", r.When)
		}
	}
	return nil
}

// text is the reading as it stands behind the comment sign.
func (r Reading) text() string {
	var b strings.Builder
	b.WriteString(r.When + ":")
	for _, c := range r.Counters {
		fmt.Fprintf(&b, " %s=%d", c.Name, c.Value)
	}
	for _, c := range r.Caches {
		fmt.Fprintf(&b, " %s%s=%d/%d", cachePrefix, escape(c.Name), c.Objects, c.Slabs)
	}
	return b.String()
}

// parseReading parses the text of a comment. It is no reading (ok is false and
// there is no error) unless its first field is one, for comments are free text.
// Names go through intern, so that the text need not be kept for them.
func parseReading(text string, intern func(string) string) (r Reading, ok bool, err error) {
	when, rest, found := strings.Cut(text, ": ")
	if !found || when == "" || reserved(when) || strings.ContainsFunc(when, unicode.IsSpace) {
		return Reading{}, false, nil
	}
	r.When = intern(when)
	for field := range strings.FieldsSeq(rest) {
		if !r.parseField(field, intern) {
			if len(r.Counters)+len(r.Caches) == 0 {
				return Reading{}, false, nil
			}
			return Reading{}, false, fmt.Errorf("reading %s: %q is not a count", when, field)
		}
	}
	return r, len(r.Counters)+len(r.Caches) > 0, nil
}

func (r *Reading) parseField(field string, intern func(string) string) bool {
	name, value, _ := strings.Cut(field, "=")
	escaped, isCache := strings.CutPrefix(name, cachePrefix)
	if isCache {
		objects, slabs, _ := strings.Cut(value, "/")
		n, err1 := strconv.ParseUint(objects, 10, 64)
		m, err2 := strconv.ParseUint(slabs, 10, 64)
		unescaped, err3 := url.PathUnescape(escaped)
		if err1 != nil || err2 != nil || err3 != nil || unescaped == "" {
			return false
		}
		r.Caches = append(r.Caches, CacheReading{intern(unescaped), n, m})
		return true
	}
	n, err := strconv.ParseUint(value, 10, 64)
	switch {
	case err != nil || name == "":
		return false
	case name == oldCache:
		r.Caches = append(r.Caches, CacheReading{Name: oldCache, Objects: n})
	case name == oldCacheSlabs:
		if len(r.Caches) == 0 || r.Caches[len(r.Caches)-1].Name != oldCache {
			return false
		}
		r.Caches[len(r.Caches)-1].Slabs = n
	default:
		r.Counters = append(r.Counters, Counter{intern(name), n})
	}
	return true
}

// A CallSite is one place in the kernel that allocates what a zombie keeps. In
// a file it is a comment of the form
//
//	# site copy_process: caches=task_struct requested=5888 allocated=5888 accounted=yes objects=16
type CallSite struct {
	Function  string   // that called the allocator
	Caches    []string // the slab cache; several if only the sizes tell, and fit several
	Requested uint64   // bytes of an object that were asked for
	Allocated uint64   // bytes that it takes
	Accounted Tristate // whether it is charged to the cgroup
	Objects   uint64   // of all zombies of the trial
}

// A Tristate is yes, no or unknown.
type Tristate string

const (
	Yes     Tristate = "yes"
	No      Tristate = "no"
	Unknown Tristate = "unknown"
)

func (t Tristate) valid() bool { return t == Yes || t == No || t == Unknown }

func (s CallSite) check() error {
	if s.Function == "" || len(s.Caches) == 0 || slices.Contains(s.Caches, "") || !s.Accounted.valid() {
		return fmt.Errorf("call site %s: accounted as %s, of caches %v: want a function, its caches, and yes, no or unknown", s.Function, s.Accounted, s.Caches)
	}
	return nil
}

func (s CallSite) text() string {
	return fmt.Sprintf("%s: caches=%s requested=%d allocated=%d accounted=%s objects=%d",
		escape(s.Function), escapeList(s.Caches), s.Requested, s.Allocated, s.Accounted, s.Objects)
}

func parseSite(text string) (s CallSite, ok bool, err error) {
	name, pairs, ok := cutFields(text)
	if !ok {
		return CallSite{}, false, nil
	}
	err = pairs.parse(map[string]func(string) error{
		"caches":    func(v string) (err error) { s.Caches, err = unescapeList(v); return err },
		"requested": into(&s.Requested),
		"allocated": into(&s.Allocated),
		"accounted": func(v string) error { s.Accounted = Tristate(v); return nil },
		"objects":   into(&s.Objects),
	})
	if err == nil {
		s.Function, err = url.PathUnescape(name)
	}
	if err != nil {
		return CallSite{}, false, fmt.Errorf("site %s: %w", name, err)
	}
	err = s.check()
	return s, err == nil, err
}

// pairs are the fields KEY=VALUE of a comment.
type pairs [][2]string

// cutFields splits `NAME: KEY=VALUE KEY=VALUE`; ok is false if the text does not
// begin like that, and then it is free text.
func cutFields(text string) (name string, p pairs, ok bool) {
	name, rest, _ := strings.Cut(text, ": ")
	for field := range strings.FieldsSeq(rest) {
		key, value, isPair := strings.Cut(field, "=")
		if !isPair && len(p) == 0 {
			return "", nil, false
		}
		p = append(p, [2]string{key, value})
	}
	return name, p, len(p) > 0 && !strings.ContainsFunc(name, unicode.IsSpace)
}

// parse gives each value to the function of its key. Every key must be there,
// and once.
func (p pairs) parse(keys map[string]func(string) error) error {
	for _, f := range p {
		parse := keys[f[0]]
		if parse == nil {
			return fmt.Errorf("unknown or repeated field %q", f[0])
		}
		if err := parse(f[1]); err != nil {
			return fmt.Errorf("field %s: %w", f[0], err)
		}
		delete(keys, f[0])
	}
	if len(keys) > 0 {
		return fmt.Errorf("field %s is missing", slices.Min(slices.Collect(maps.Keys(keys))))
	}
	return nil
}

// into parses a value into n.
func into(n *uint64) func(string) error {
	return func(v string) (err error) {
		if *n, err = strconv.ParseUint(v, 10, 64); err != nil {
			return fmt.Errorf("%q is not a count", v)
		}
		return nil
	}
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

func escapeList(names []string) string {
	var all []string
	for _, name := range names {
		all = append(all, escape(name))
	}
	return strings.Join(all, ",")
}

func unescapeList(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	all := strings.Split(text, ",")
	for i := range all {
		var err error
		if all[i], err = url.PathUnescape(all[i]); err != nil || all[i] == "" {
			return nil, fmt.Errorf("%q is not a list of names", text)
		}
	}
	return all, nil
}
