// Package cgroup makes fresh control groups and starts programs inside them.
//
// A charge belongs to the cgroup in which it was made, so a program is started
// inside its cgroup and never attached late, and a cgroup is used once. Where
// pids and memory are carried - in hierarchies of version 1, in the one of
// version 2, or one in each - is found out and not assumed.
//
// It is not a library for managing cgroups: it sets no limits, delegates
// nothing to others and reads no statistics (package measure does).
//
// What it makes is named zombench-PID-NAME after the process that made it, which
// holds a flock on the directory for as long as it lives. So such a directory
// that nobody has locked is the remains of a run that is gone, whoever has got
// its pid meanwhile; see Leftovers.
//
// Sources: Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/cgroups.rst,
// cgroups(7), clone(2).
package cgroup
