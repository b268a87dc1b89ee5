package threads

import (
	"testing"

	"zombench/measure"
)

func count(t *testing.T) int {
	t.Helper()
	self, err := measure.Host().Process(0)
	if err != nil {
		t.Fatal(err)
	}
	return self.Threads
}

func TestReserve(t *testing.T) {
	const more = 10
	before := count(t)
	Reserve(before + more) // so that at least that many are new
	after := count(t)
	if after < before+more {
		t.Errorf("%d threads before and %d after %d were reserved", before, after, before+more)
	}
	Settle()
	settled := count(t)
	Reserve(before) // there are enough
	Settle()
	if again := count(t); again != settled {
		t.Errorf("%d threads, had been %d: a reserve that is there was made again", again, settled)
	}
}
