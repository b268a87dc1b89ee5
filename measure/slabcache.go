package measure

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// SlabCache describes one cache of /sys/kernel/slab. SLUB merges caches of
// like size and flags: one directory (":A-0000192") then serves them all, and
// each of their names is a link to it.
type SlabCache struct {
	Name        string   // the name under which /proc/slabinfo lists it
	ID          string   // its directory in /sys/kernel/slab
	Aliases     []string // every name it goes by, sorted; a cache that is not merged has one
	ObjectSize  uint64   // bytes asked for; slabinfo has what they take, padded
	ObjsPerSlab uint64
	Order       uint64 // a slab is 2^Order pages
	Reclaimable bool   // counted in SReclaimable, not in SUnreclaim
}

// SlabCache finds a cache by any of its names. It reads /sys/kernel/slab and
// slabinfo, for which it needs root.
func (fs FS) SlabCache(name string) (SlabCache, error) {
	id, err := fs.slabID(name)
	if err != nil {
		return SlabCache{}, err
	}
	c := SlabCache{ID: id}
	if c.Aliases, err = fs.slabAliases(id); err != nil {
		return SlabCache{}, err
	}
	for _, f := range []struct {
		file string
		to   *uint64
	}{
		{"object_size", &c.ObjectSize},
		{"objs_per_slab", &c.ObjsPerSlab},
		{"order", &c.Order},
	} {
		if *f.to, err = readUint(filepath.Join(fs.slabDir(), id, f.file)); err != nil {
			return SlabCache{}, fmt.Errorf("slab cache %s: %w", name, err)
		}
	}
	if c.Reclaimable, err = fs.ReclaimableSlab(id); err != nil {
		return SlabCache{}, err
	}
	info, err := fs.Slabinfo()
	if err != nil {
		return SlabCache{}, fmt.Errorf("slab cache %s: %w", name, err)
	}
	if c.Name, err = listedAs(info, c.Aliases); err != nil {
		return SlabCache{}, fmt.Errorf("slab cache %s: %w", name, err)
	}
	return c, nil
}

// ReclaimableSlab reports whether a cache, by any of its names, counts in
// SReclaimable and not in SUnreclaim. A kernel that does not tell has none.
func (fs FS) ReclaimableSlab(name string) (bool, error) {
	n, err := readUint(filepath.Join(fs.slabDir(), name, "reclaim_account"))
	if err != nil && !errors.Is(err, ErrNotSupported) {
		return false, fmt.Errorf("slab cache %s: %w", name, err)
	}
	return n != 0, nil
}

// UnchargedSlab reports whether the objects of a cache, by any of its names, are
// known not to be charged to a memory cgroup. That is so for the general caches where
// those that are charged have a twin of their own (kmalloc-cg-*, Linux 5.14), and
// for merged ones whose directory lacks the A of SLAB_ACCOUNT (create_unique_id in
// mm/slub.c, Linux 4.5). Of others sysfs does not tell.
func (fs FS) UnchargedSlab(name string) bool {
	id, err := fs.slabID(name)
	if err != nil {
		return false
	}
	if flags, merged := strings.CutPrefix(id, ":"); merged {
		return !strings.ContainsRune(flags, 'A')
	}
	size, general := strings.CutPrefix(id, "kmalloc-")
	if !general || size == "" || size[0] < '0' || size[0] > '9' {
		return false
	}
	_, err = os.Stat(filepath.Join(fs.slabDir(), "kmalloc-cg-"+size))
	return err == nil
}

// ShrinkSlab gives the free slabs of a cache back to the page allocator, also
// those parked on cpus, by writing 1 to its file shrink. Root only.
func (fs FS) ShrinkSlab(name string) error {
	id, err := fs.slabID(name)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(fs.slabDir(), id, "shrink"), "1"); err != nil {
		return fmt.Errorf("shrinking slab cache %s: %w", name, err)
	}
	return nil
}

func (fs FS) slabDir() string { return filepath.Join(fs.Sys, "kernel", "slab") }

// slabID resolves a name to the directory that holds its cache.
func (fs FS) slabID(name string) (string, error) {
	if name == "" || name == "." || name == ".." || strings.ContainsRune(name, '/') {
		return "", fmt.Errorf("slab cache %q: %w: not a name", name, ErrMalformed)
	}
	path := filepath.Join(fs.slabDir(), name)
	target, err := os.Readlink(path)
	if err == nil {
		return filepath.Base(target), nil
	}
	if _, statErr := os.Stat(path); statErr == nil {
		return name, nil
	}
	if _, statErr := os.Stat(fs.slabDir()); statErr != nil {
		return "", fmt.Errorf("no slab caches in sysfs (CONFIG_SLUB, CONFIG_SYSFS): %w", errors.Join(ErrNotSupported, statErr))
	}
	return "", fmt.Errorf("no slab cache named %s: %w", name, classify(err))
}

// slabAliases returns the names of the cache in a directory of /sys/kernel/slab,
// sorted: those of the links to it. Its own is one only when there are none, since the
// name of a merged cache's directory is made from its size and flags.
func (fs FS) slabAliases(id string) (names []string, err error) {
	entries, err := os.ReadDir(fs.slabDir())
	if err != nil {
		return nil, classify(err)
	}
	for _, e := range entries {
		if e.Type()&os.ModeSymlink == 0 {
			continue
		}
		target, err := os.Readlink(filepath.Join(fs.slabDir(), e.Name()))
		if errors.Is(err, os.ErrNotExist) {
			continue // its module was unloaded meanwhile
		}
		if err != nil {
			return nil, classify(err)
		}
		if filepath.Base(target) == id {
			names = append(names, e.Name())
		}
	}
	if names == nil {
		names = []string{id}
	}
	return names, nil
}

// listedAs finds which of its names a cache is listed under: that of the
// alias which was created first, so nothing but slabinfo itself can tell.
func listedAs(info Slabinfo, aliases []string) (string, error) {
	for _, l := range info.Caches {
		if _, found := slices.BinarySearch(aliases, l.Name); found {
			return l.Name, nil
		}
	}
	return "", fmt.Errorf("%w: slabinfo lists none of its names (%s)", ErrNotSupported, strings.Join(aliases, ", "))
}
