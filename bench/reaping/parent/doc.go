// Package parent is the program that is tested: a parent whose children end,
// stay as zombies, are adopted or collected, one order at a time. This
// executable becomes it (see Program), and a Client drives it by pipes.
//
// A parent does nothing that it was not told: once it is ready it starts no
// thread and pays no first-time cost, and its children are small programs, never
// Go programs. It is not the army's daemon, zombied, and measures nothing itself.
package parent
