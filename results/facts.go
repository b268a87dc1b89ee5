package results

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A Header is what a result file begins with.
type Header struct {
	// Config holds what the results are measured under: kernel, goos, goarch,
	// cpu, page-size, cgroup, and vm in guests. Benchstat makes a table of its
	// own for each distinct configuration, so what varies from run to run
	// belongs into Comments. A parameter with an empty value is left out.
	Config   []Param
	Comments []string // free; not read back
	Units    []Unit
	Facts
}

// Facts are what a file says about itself, so that whoever reads it can explain
// it without knowing the benchmarks, or the machine.
type Facts struct {
	Kernel   Kernel
	Caches   []Cache   // those that the trials mention
	About    []Meaning // what benchmarks measure
	Meanings []Meaning // what units mean; of a header to be written, Units say it
}

// A Meaning says in a phrase what a name stands for. The name of a benchmark
// may be the beginning of a full one, such as Reap/method=wait.
type Meaning struct{ Name, Text string }

// A Kernel is what an analysis has to know of the kernel, in a file
//
//	# kernel: pointer-B=8 thread-info-in-task=1 possible-cpus=2 struct.cred=184
//
// What is 0, unknown or absent is not known.
type Kernel struct {
	PointerBytes uint64 // of the kernel, whatever the programs have
	// ThreadInfoInTask says whether a task's thread_info is in its task_struct
	// (CONFIG_THREAD_INFO_IN_TASK). Where it is not, a zombie keeps its kernel stack.
	ThreadInfoInTask Tristate
	PossibleCPUs     uint64
	Structs          []Counter // sizeof C structs, in bytes
}

// A Cache describes a slab cache, in a file
//
//	# cache cred: size=192 used=184 per-slab=21 slab-B=4096 reclaimable=0 charged=1 aliases=cred,pid
type Cache struct {
	Name        string   // under which /proc/slabinfo lists it
	Size        uint64   // bytes that an object takes, padded
	Used        uint64   // bytes of it that were asked for; 0 if unknown
	PerSlab     uint64   // objects
	SlabBytes   uint64   // of one slab
	Reclaimable bool     // counted in SReclaimable, not in SUnreclaim
	Charged     Tristate // to the cgroup; unknown mostly means that it is
	Aliases     []string // of merged caches, its own name among them; nil if unknown
}

// Cache returns what is known of a slab cache.
func (f *Facts) Cache(name string) (Cache, bool) {
	for _, c := range f.Caches {
		if c.Name == name {
			return c, true
		}
	}
	return Cache{}, false
}

// StructBytes returns sizeof a C struct, 0 if that is not known.
func (f *Facts) StructBytes(name string) uint64 {
	for _, s := range f.Kernel.Structs {
		if s.Name == name {
			return s.Value
		}
	}
	return 0
}

// AboutBench returns what a benchmark measures, given its full name: what is said
// of the longest beginning of that. "" if nothing is.
func (f *Facts) AboutBench(name string) string {
	longest, text := -1, ""
	for _, m := range f.About {
		rest, ok := strings.CutPrefix(name, m.Name)
		if ok && (rest == "" || rest[0] == '/') && len(m.Name) > longest {
			longest, text = len(m.Name), m.Text
		}
	}
	return text
}

// MeaningOf returns what a unit means, "" if that is not said.
func (f *Facts) MeaningOf(unit string) string {
	for _, m := range f.Meanings {
		if m.Name == unit {
			return m.Text
		}
	}
	return ""
}

func (m Meaning) check() error {
	if m.Name == "" || strings.ContainsFunc(m.Name, unicode.IsSpace) || oneLine(m.Text) == "" {
		return fmt.Errorf("meaning %q of %q: want a text, of one word", m.Text, m.Name)
	}
	return nil
}

func (m Meaning) text() string { return m.Name + ": " + oneLine(m.Text) }

func parseMeaning(text string) (Meaning, bool) {
	name, meaning, _ := strings.Cut(text, ": ")
	m := Meaning{name, oneLine(meaning)}
	return m, m.check() == nil
}

func (k Kernel) check() error {
	if k.ThreadInfoInTask != "" && !k.ThreadInfoInTask.valid() {
		return fmt.Errorf("thread-info-in-task is %q", k.ThreadInfoInTask)
	}
	for _, s := range k.Structs {
		if s.Name == "" {
			return fmt.Errorf("struct without a name")
		}
	}
	return nil
}

func (k Kernel) text() string {
	var b strings.Builder
	put := func(key string, n uint64) {
		if n > 0 {
			fmt.Fprintf(&b, " %s=%d", key, n)
		}
	}
	put("pointer-B", k.PointerBytes)
	if k.ThreadInfoInTask == Yes || k.ThreadInfoInTask == No {
		fmt.Fprintf(&b, " thread-info-in-task=%s", k.ThreadInfoInTask.digit())
	}
	put("possible-cpus", k.PossibleCPUs)
	for _, s := range k.Structs {
		fmt.Fprintf(&b, " struct.%s=%d", escape(s.Name), s.Value)
	}
	return strings.TrimPrefix(b.String(), " ")
}

func parseKernel(text string) (k Kernel, ok bool, err error) {
	_, p, ok := cutFields("kernel: " + text)
	if !ok {
		return Kernel{}, false, nil
	}
	for _, f := range p {
		name, isStruct := strings.CutPrefix(f[0], "struct.")
		switch {
		case f[0] == "pointer-B":
			err = into(&k.PointerBytes)(f[1])
		case f[0] == "possible-cpus":
			err = into(&k.PossibleCPUs)(f[1])
		case f[0] == "thread-info-in-task":
			k.ThreadInfoInTask, err = parseDigit(f[1])
		case isStruct:
			s := Counter{}
			if s.Name, err = url.PathUnescape(name); err == nil {
				err = into(&s.Value)(f[1])
			}
			k.Structs = append(k.Structs, s)
		default:
			err = fmt.Errorf("unknown field")
		}
		if err != nil {
			return Kernel{}, false, fmt.Errorf("kernel: field %s: %w", f[0], err)
		}
	}
	err = k.check()
	return k, err == nil, err
}

func (c Cache) check() error {
	if c.Name == "" || slices.Contains(c.Aliases, "") || c.Charged != "" && !c.Charged.valid() {
		return fmt.Errorf("slab cache %+v: want names, and charged as yes, no or unknown", c)
	}
	return nil
}

func (c Cache) text() string {
	reclaimable := 0
	if c.Reclaimable {
		reclaimable = 1
	}
	return fmt.Sprintf("%s: size=%d used=%d per-slab=%d slab-B=%d reclaimable=%d charged=%s aliases=%s",
		escape(c.Name), c.Size, c.Used, c.PerSlab, c.SlabBytes, reclaimable, c.Charged.digit(), escapeList(c.Aliases))
}

func parseCache(text string) (c Cache, ok bool, err error) {
	name, p, ok := cutFields(text)
	if !ok {
		return Cache{}, false, nil
	}
	err = p.parse(map[string]func(string) error{
		"size":        into(&c.Size),
		"used":        into(&c.Used),
		"per-slab":    into(&c.PerSlab),
		"slab-B":      into(&c.SlabBytes),
		"reclaimable": func(v string) (err error) { c.Reclaimable, err = strconv.ParseBool(v); return err },
		"charged":     func(v string) (err error) { c.Charged, err = parseDigit(v); return err },
		"aliases":     func(v string) (err error) { c.Aliases, err = unescapeList(v); return err },
	})
	if err == nil {
		c.Name, err = url.PathUnescape(name)
	}
	if err != nil {
		return Cache{}, false, fmt.Errorf("cache %s: %w", name, err)
	}
	err = c.check()
	return c, err == nil, err
}

// digit is how a fact of the kernel is written.
func (t Tristate) digit() string {
	switch t {
	case Yes:
		return "1"
	case No:
		return "0"
	}
	return "?"
}

func parseDigit(v string) (Tristate, error) {
	for _, t := range []Tristate{Yes, No, Unknown} {
		if t.digit() == v {
			return t, nil
		}
	}
	return "", fmt.Errorf("%q is not 1, 0 or ?", v)
}

// with returns the facts with one more. Those that were there before are shared
// by the records that were read: they are added to, and a copy is made where the
// new one contradicts them, as in a file that is several put together.
func (f *Facts) withKernel(k Kernel) *Facts {
	if old := f.Kernel.text(); old != "" && old != k.text() {
		f = f.clone()
	}
	f.Kernel = k
	return f
}

func (f *Facts) withCache(c Cache) *Facts {
	i := slices.IndexFunc(f.Caches, func(old Cache) bool { return old.Name == c.Name })
	switch {
	case i < 0:
		f.Caches = append(f.Caches, c)
	case f.Caches[i].text() != c.text():
		f = f.clone()
		f.Caches[i] = c
	}
	return f
}

func (f *Facts) withMeaning(m Meaning, unit bool) *Facts {
	list := func() *[]Meaning {
		if unit {
			return &f.Meanings
		}
		return &f.About
	}
	i := slices.IndexFunc(*list(), func(old Meaning) bool { return old.Name == m.Name })
	switch {
	case i < 0:
		*list() = append(*list(), m)
	case (*list())[i] != m:
		f = f.clone()
		(*list())[i] = m
	}
	return f
}

func (f *Facts) clone() *Facts {
	return &Facts{f.Kernel, slices.Clone(f.Caches), slices.Clone(f.About), slices.Clone(f.Meanings)}
}
