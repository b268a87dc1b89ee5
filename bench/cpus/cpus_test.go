package cpus

import (
	"errors"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// A thread that is kept on a CPU may run on that alone, and the others as before.
func TestKeep(t *testing.T) {
	before, err := Allowed()
	if err != nil || len(before) == 0 || !slices.IsSorted(before) {
		t.Fatalf("%v, %v", before, err)
	}
	last := before[len(before)-1]
	type answer struct {
		all []int
		err error
	}
	done := make(chan answer)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends
		err := Keep(0, last)
		all, err2 := Allowed()
		done <- answer{all, errors.Join(err, err2)}
	}()
	if a := <-done; a.err != nil || !slices.Equal(a.all, []int{last}) {
		t.Errorf("%v, %v; want %d alone", a.all, a.err, last)
	}
	if after, err := Allowed(); err != nil || !slices.Equal(after, before) {
		t.Errorf("%v, %v; want %v as before", after, err, before)
	}
}

// What was borrowed is given back, by the thread that has it.
func TestBorrow(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := Allowed()
	if err != nil {
		t.Fatal(err)
	}
	last := before[len(before)-1]
	giveBack, err := Borrow(last)
	if err != nil {
		t.Fatal(err)
	}
	if during, err := Allowed(); err != nil || !slices.Equal(during, []int{last}) {
		t.Errorf("%v, %v; want %d alone", during, err, last)
	}
	if err := giveBack(); err != nil {
		t.Fatal(err)
	}
	if after, err := Allowed(); err != nil || !slices.Equal(after, before) {
		t.Errorf("%v, %v; want %v as before", after, err, before)
	}
	if _, err := Borrow(1 << 20); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a CPU that is not there: %v", err)
	}
}

func TestKeepFails(t *testing.T) {
	if err := Keep(1<<30, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("a thread that is not there: %v", err)
	}
}
