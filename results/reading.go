package results

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"
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
	c, ok := find(r.Counters, func(c Counter) bool { return c.Name == name })
	return c.Value, ok
}

// Cache returns the reading of a slab cache.
func (r Reading) Cache(name string) (CacheReading, bool) {
	return find(r.Caches, func(c CacheReading) bool { return c.Name == name })
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
