package measure

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
)

// SlabLine is one cache of /proc/slabinfo (slabinfo(5)). With SLUB, objects
// that lie free on a cpu's own slab count as active.
type SlabLine struct {
	Name         string // of a merged cache: the name of the one created first, see [SlabCache]
	ActiveObjs   uint64 // objects
	NumObjs      uint64 // objects, free ones included
	ObjSize      uint64 // bytes an object takes in its slab, padding included
	ObjsPerSlab  uint64
	PagesPerSlab uint64 // pages
	ActiveSlabs  uint64
	NumSlabs     uint64
}

// Bytes returns the memory that the cache's slabs take, free objects included.
func (l SlabLine) Bytes(pageSize int) uint64 {
	return l.NumSlabs * l.PagesPerSlab * uint64(pageSize)
}

// Slabinfo is one reading of /proc/slabinfo.
type Slabinfo struct {
	Caches []SlabLine // in the order of the file: the cache created last comes first
}

// Lookup returns the line of the cache that is listed under name. A merged
// cache is listed under one of its names only: see [FS.SlabCache].
func (s Slabinfo) Lookup(name string) (SlabLine, bool) {
	if i := slices.IndexFunc(s.Caches, func(l SlabLine) bool { return l.Name == name }); i >= 0 {
		return s.Caches[i], true
	}
	return SlabLine{}, false
}

// Slabinfo reads /proc/slabinfo, which only root may (mode 0400).
func (fs FS) Slabinfo() (Slabinfo, error) {
	s, err := parseFile(fs.proc("slabinfo"), parseSlabinfo)
	if errors.Is(err, os.ErrNotExist) { // or /proc is mounted with subset=pid
		err = fmt.Errorf("no slab statistics (CONFIG_SLUB_DEBUG): %w", err)
	}
	return s, err
}

const slabinfoHeader = "slabinfo - version: "

// parseSlabinfo parses the text of slabinfo. A line that is not understood is
// left out: procfs fails the whole reading on one.
func parseSlabinfo(data []byte) (Slabinfo, error) {
	var s Slabinfo
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	version, ok := bytes.CutPrefix(bytes.TrimSpace(first), []byte(slabinfoHeader))
	if !ok || len(version) == 0 {
		return s, fmt.Errorf("%w: begins with %q, not with %q", ErrMalformed, clip(first), slabinfoHeader)
	}
	for line := range bytes.Lines(rest) {
		if l, ok := parseSlabLine(bytes.TrimSpace(line)); ok {
			s.Caches = append(s.Caches, l)
		}
	}
	return s, nil
}

// parseSlabLine parses
//
//	NAME active num size perslab pages : tunables ... : slabdata active num shared
//
// A name may hold spaces and colons, so the fields are counted from the marks
// and not from the left. An older kernel may add fields at the end. Comments
// have no numbers where these are looked for.
func parseSlabLine(line []byte) (l SlabLine, ok bool) {
	head, tail, ok := bytes.Cut(line, []byte(" : slabdata"))
	if !ok {
		return l, false
	}
	head, _, _ = bytes.Cut(head, []byte(" : tunables"))
	var field []byte
	for _, to := range []*uint64{&l.PagesPerSlab, &l.ObjsPerSlab, &l.ObjSize, &l.NumObjs, &l.ActiveObjs} {
		head, field = lastField(head)
		if *to, ok = decimal(field); !ok {
			return l, false
		}
	}
	for _, to := range []*uint64{&l.ActiveSlabs, &l.NumSlabs} {
		field, tail = firstField(tail)
		if *to, ok = decimal(field); !ok {
			return l, false
		}
	}
	l.Name = string(bytes.TrimSpace(head))
	return l, l.Name != ""
}

func lastField(b []byte) (rest, field []byte) {
	b = bytes.TrimRight(b, " \t")
	i := bytes.LastIndexAny(b, " \t") + 1
	return b[:i], b[i:]
}

func firstField(b []byte) (field, rest []byte) {
	b = bytes.TrimLeft(b, " \t")
	i := bytes.IndexAny(b, " \t")
	if i < 0 {
		i = len(b)
	}
	return b[:i], b[i:]
}

// decimal is strconv.ParseUint for bytes, without an allocation for failures.
func decimal(b []byte) (uint64, bool) {
	n, err := strconv.ParseUint(string(b), 10, 64)
	return n, err == nil
}
