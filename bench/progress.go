package bench

import "zombench/results"

// A Progress is told how a run proceeds.
type Progress interface {
	Begin(i, n int, name string) // trial i of n, from 0, of a benchmark begins
	Doing(what string)           // what the trial is at
	End(results.Trial)           // it ended
	Close()                      // the run is over
}

// silent tells nobody.
type silent struct{}

func (silent) Begin(int, int, string) {}
func (silent) Doing(string)           {}
func (silent) End(results.Trial)      {}
func (silent) Close()                 {}
