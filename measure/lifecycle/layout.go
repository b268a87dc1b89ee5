package lifecycle

import "encoding/binary"

// An entry of a map, as the programs write it and Read reads it. All but the
// names are counts that only grow, apart from standing.
const (
	offBirths   = 0
	offDeaths   = 8
	offReaps    = 16
	offTimed    = 24 // reaps of which the death was seen, with the time
	offWaited   = 32 // nanoseconds, their sum
	offLongest  = 40 // nanoseconds
	offLastWait = 48 // CLOCK_MONOTONIC of the last call of wait
	offStanding = 56 // dead that were seen to die and were not reaped
	offEnded    = 64 // 1: the process itself was reaped
	offPID      = 72 // of the process, in the reader's pid namespace
	offMissed   = 80 // deaths that the map of the dead had no room for
	offComm     = 88 // its name, 16 bytes
	offChild    = 104
	offBuckets  = 120
	entrySize   = offBuckets + 4*buckets
)

// A key is a process for as long as the machine runs: pids are used again.
const (
	keyTGID  = 0 // in the initial pid namespace; 8 bytes
	keyStart = 8 // nanoseconds after boot
	keySize  = 16
)

// Of the dead: its parent's key, and CLOCK_MONOTONIC at its death.
const (
	deadParent = 0
	deadTime   = 16
	deadSize   = 24
)

// Of the entries in the shared map.
const (
	sharedAll   = 0 // everything
	sharedOther = 1 // parents that there was no room for
	sharedZero  = 2 // what a new entry begins with
	sharedCount = 3
)

type entry [entrySize]byte

func (e *entry) u64(at int) uint64 { return binary.NativeEndian.Uint64(e[at:]) }

func (e *entry) counts() Counts {
	return Counts{Births: e.u64(offBirths), Deaths: e.u64(offDeaths), Reaps: e.u64(offReaps)}
}

func (e *entry) latency() Latency {
	l := Latency{Count: e.u64(offTimed), Sum: nanoseconds(e.u64(offWaited)), Longest: nanoseconds(e.u64(offLongest))}
	for i := range l.Buckets {
		l.Buckets[i] = binary.NativeEndian.Uint32(e[offBuckets+4*i:])
	}
	return l
}
