// Package torture interrupts runs of every experiment at random moments, in
// every way that there is, and audits what they leave: processes, zombies,
// cgroups, sysctls, mounts, temporary files, the lock and the result file.
//
// It is tests alone. In flow a seed and a number of rounds; each round is one
// workload, one fault or two at once, and a moment, all of them drawn from the
// seed and the number of the round, so that a round can be repeated alone. Out
// flows a record, one line a round, which a later campaign goes on from. It is
// not for what a number should be: a noise maker and the list of lies do that,
// each beside what they try.
//
// Faults and workloads are tables: a new one is a line in faults_test.go or
// workloads_test.go. README.md has the campaigns on record.
package torture
