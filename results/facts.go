package results

import (
	"fmt"
	"net/url"
	"slices"
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
	Run      Run
	Kernel   Kernel
	Caches   []Cache       // those that the trials mention
	About    []Explanation // what benchmarks measure
	Meanings []Explanation // what units mean; of a header to be written, Units say it
}

// An Explanation says in a phrase what a name stands for. The name of a benchmark
// may be the beginning of a full one, such as Reap/method=wait.
type Explanation struct{ Name, Text string }

// AboutBudget names what was done to the plan to fit a run into a time.
const AboutBudget = "budget"

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
	Layouts          []Layout  // of those that a zombie consists of; each is a comment of its own
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
	return find(f.Caches, func(c Cache) bool { return c.Name == name })
}

// Layout returns what a C struct is made of, if that is known.
func (k *Kernel) Layout(name string) (Layout, bool) {
	return find(k.Layouts, func(l Layout) bool { return l.Struct == name })
}

// StructBytes returns sizeof a C struct, 0 if that is not known.
func (f *Facts) StructBytes(name string) uint64 {
	s, _ := find(f.Kernel.Structs, func(s Counter) bool { return s.Name == name })
	return s.Value
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
	m, _ := find(f.Meanings, func(m Explanation) bool { return m.Name == unit })
	return m.Text
}

func (e Explanation) check() error {
	if e.Name == "" || strings.ContainsFunc(e.Name, unicode.IsSpace) || oneLine(e.Text) == "" {
		return fmt.Errorf("explanation %q of %q: want a text, of one word", e.Text, e.Name)
	}
	return nil
}

func (e Explanation) text() string { return e.Name + ": " + oneLine(e.Text) }

// readExplanation reads what text writes; anything else is free text.
func readExplanation(text string) (Explanation, bool) {
	name, rest, _ := strings.Cut(text, ": ")
	e := Explanation{renamed(name), oneLine(rest)}
	return e, e.check() == nil
}

func (c *Cache) form() (*string, []field) {
	return &c.Name, []field{count("size", &c.Size), count("used", &c.Used), count("per-slab", &c.PerSlab), count("slab-B", &c.SlabBytes),
		flag("reclaimable", &c.Reclaimable), tristate("charged", &c.Charged, "1", "0", "?"), nameList("aliases", &c.Aliases)}
}

func (c *Cache) check() error {
	if c.Name == "" || slices.Contains(c.Aliases, "") || c.Charged != "" && !c.Charged.valid() {
		return fmt.Errorf("want names, and charged as yes, no or unknown, not %+v", *c)
	}
	return nil
}

func (k *Kernel) check() error {
	if k.ThreadInfoInTask != "" && !k.ThreadInfoInTask.valid() {
		return fmt.Errorf("kernel: thread-info-in-task is %q", k.ThreadInfoInTask)
	}
	if slices.ContainsFunc(k.Structs, func(s Counter) bool { return s.Name == "" }) {
		return fmt.Errorf("kernel: struct without a name")
	}
	return nil
}

const structPrefix = "struct."

func (k *Kernel) fields() []field {
	fields := []field{count("pointer-B", &k.PointerBytes), tristate(threadInfo, &k.ThreadInfoInTask, "1", "0", "?"), count("possible-cpus", &k.PossibleCPUs)}
	for i, s := range k.Structs {
		fields = append(fields, count(structPrefix+escape(s.Name), &k.Structs[i].Value))
	}
	return fields
}

const threadInfo = "thread-info-in-task"

// known are the fields of what is known.
func (k *Kernel) known() []field {
	return slices.DeleteFunc(k.fields(), func(f field) bool {
		text := f.text()
		return text == "?" || text == "0" && f.key != threadInfo
	})
}

// readKernel reads what known writes, of which some may be absent; ok is false, and
// there is no error, of free text.
func readKernel(text string) (k Kernel, ok bool, err error) {
	if !isField(text) {
		return Kernel{}, false, nil
	}
	present := make(map[string]bool)
	for pair := range strings.FieldsSeq(text) {
		key, _, _ := strings.Cut(pair, "=")
		present[key] = true
		if escaped, ok := strings.CutPrefix(key, structPrefix); ok {
			name, err := url.PathUnescape(escaped)
			if err != nil {
				return Kernel{}, false, fmt.Errorf("kernel: field %s: %w", key, err)
			}
			k.Structs = append(k.Structs, Counter{Name: name})
		}
	}
	fields := slices.DeleteFunc(k.fields(), func(f field) bool { return !present[f.key] })
	if err := readFields(text, fields); err != nil {
		return Kernel{}, false, fmt.Errorf("kernel: %w", err)
	}
	err = k.check()
	return k, err == nil, err
}

// describe adds a cache, or what is newly said of one.
func (f *Facts) describe(c Cache) {
	if i := slices.IndexFunc(f.Caches, func(old Cache) bool { return old.Name == c.Name }); i >= 0 {
		f.Caches[i] = c
		return
	}
	f.Caches = append(f.Caches, c)
}
