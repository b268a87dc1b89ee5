// Package threads makes the Go runtime have its threads before they are needed.
//
// The runtime starts a thread whenever one blocks in a system call and others
// have work to do, and keeps it for ever. To a program that counts tasks, each
// is one too many at the wrong time, and where pids are scarce the runtime
// gives up when it gets none.
//
// Nothing flows in but how many threads there are to be. It is not for threads that
// do work: whoever locks a thread to a goroutine has one.
package threads

import (
	"runtime"
	"sync"
	"time"

	"zombench/measure"
)

// Reserve makes the runtime have n idle threads. Goroutines that hold a thread
// each meet, so all of the threads exist at once; then they let go, and the
// runtime keeps what it has.
func Reserve(n int) {
	var met, gone sync.WaitGroup
	met.Add(n)
	gone.Add(n)
	release := make(chan struct{})
	for range n {
		go func() {
			defer gone.Done()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			met.Done()
			<-release
		}()
	}
	met.Wait()
	close(release)
	gone.Wait()
}

// Settle waits until the number of threads has not changed for a while, but no
// longer than two seconds. The runtime may leave the start of a thread to
// another one, which does it when it gets to it, and nothing tells that it has.
func Settle() {
	const pace, still, most = 5 * time.Millisecond, 8, 400
	last, same := -1, 0
	for range most {
		self, err := measure.Host().Process(0)
		if err != nil {
			return
		}
		if n := self.Threads; n != last {
			last, same = n, 0
		} else if same++; same == still {
			return
		}
		time.Sleep(pace)
	}
}
