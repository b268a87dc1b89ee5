// Package janitor sees to it that a run leaves nothing behind, however it ends.
//
// Three things work together. The lock lets one run at a time have the machine.
// The lock file is a journal as well: which cgroups the run makes its own in,
// and which sysctls it raised. And the janitor is a process that outlives the
// run: it does nothing but hold the read end of a pipe whose write end the run
// holds; when that one ends, by itself or by kill -9, it clears up after it and
// exits. It inherits the lock, so nobody else starts before it is done.
//
// When the janitor is killed, the run clears up at its end; when both are, the
// next run does, from the journal.
//
// Nothing but the kernel can be relied on in a crash: locks and pipes are
// released whatever happens, pid files and signal handlers are not.
//
// In flow the cgroups and sysctls that a run is about to touch, out flows what was
// cleared up. It is not for what a run that goes on undoes itself.
package janitor
