package results

import (
	"fmt"
	"strconv"
	"strings"
)

// A Unit is what a file says about a unit.
type Unit struct {
	Name    string // as in the file, such as kmem-B/1000zombies
	Meta    string // in the benchmark format: better=lower, better=higher, assume=exact, over=PARAM, with blanks between; "" for none
	Meaning string // in a phrase; "" for none
}

// Over is said of a unit that may grow with a number among the parameters, as in
// over=count: reports estimate by how much, and draw it.
const Over = "over"

// The units of the memory benchmarks.
const (
	UnitKmem            = "kmem-B/1000zombies"        // kernel memory charged to the army's own cgroup
	UnitPredicted       = "predicted-B/1000zombies"   // what that charge should be, by the objects in /proc/slabinfo
	UnitSlab            = "slab-B/1000zombies"        // Slab of /proc/meminfo
	UnitSUnreclaim      = "sunreclaim-B/1000zombies"  // SUnreclaim of /proc/meminfo
	UnitTaskStructBytes = "task_struct-B/1000zombies" // pages of the task_struct slab cache
	UnitTaskStruct      = "task_struct/zombie"        // objects of the task_struct slab cache
	UnitPids            = "pids/zombie"               // pids.current of the army's own cgroup
	UnitTime            = "ns/zombie"                 // from the first spawn to the last death
)

// Units describes the units of the memory benchmarks. Only a count of pids is
// exact by nature; memory is read through batched per-CPU counters and partly
// filled slabs, and time is time.
func Units() []Unit {
	return []Unit{
		{UnitKmem, "better=lower", "kernel memory charged to the army's cgroup"},
		{UnitPredicted, "better=lower", "what that charge should be: objects in /proc/slabinfo times their size"},
		{UnitSlab, "better=lower", "Slab of /proc/meminfo, the whole system"},
		{UnitSUnreclaim, "better=lower", "SUnreclaim of /proc/meminfo, the whole system: Slab without dentries and inodes"},
		{UnitTaskStructBytes, "better=lower", "slab pages of the cache task_struct"},
		{UnitTaskStruct, "better=lower", "objects in the cache task_struct"},
		{UnitPids, "assume=exact", "pids.current of the army's cgroup"},
		{"pids", "assume=exact", "the same, of a control"},
		{UnitTime, "better=lower", "from the first spawn to the last death"},
	}
}

// renamed gives the present name of a unit of an older file.
func renamed(unit string) string {
	const old, now = "foretold-B", "predicted-B"
	if rest, ok := strings.CutPrefix(unit, old); ok && (rest == "" || rest[0] == '/') {
		return now + rest
	}
	return unit
}

// PerZombies splits a unit that is a rate over zombies, such as
// kmem-B/1000zombies, into what is measured (kmem-B, the unit of a control) and
// over how many zombies.
func PerZombies(unit string) (base string, per float64, ok bool) {
	i := strings.LastIndexByte(unit, '/')
	if i < 1 {
		return "", 0, false
	}
	base, over := unit[:i], unit[i+1:]
	if over == "zombie" {
		return base, 1, true
	}
	digits, ok := strings.CutSuffix(over, "zombies")
	n, err := strconv.ParseUint(digits, 10, 31)
	if !ok || err != nil || n == 0 || digits[0] == '0' {
		return "", 0, false
	}
	return base, float64(n), true
}

// OverZombies is the unit of base over so many zombies.
func OverZombies(base string, per int) string {
	if per == 1 {
		return base + "/zombie"
	}
	return fmt.Sprintf("%s/%dzombies", base, per)
}
