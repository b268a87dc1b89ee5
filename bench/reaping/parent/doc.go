// Package parent is the program whose life is tested: a parent that has its
// children end, stand as zombies, be adopted or be collected, one order at a
// time. The harness is its own parent program, by a hidden command (see Main),
// and drives it by pipes (see Start).
//
// It believes that a parent in an experiment does nothing that it was not
// told: it starts no thread and pays no first-time cost once it is ready, and
// its children are small programs, never Go programs. It is not the army's
// daemon, zombied, and measures nothing itself but its own time.
package parent
