package clone

import (
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ended waits for a child and returns how it ended.
func ended(t *testing.T, pid int32) unix.WaitStatus {
	t.Helper()
	var ws unix.WaitStatus
	for {
		_, err := unix.Wait4(int(pid), &ws, 0, nil)
		if err == nil {
			return ws
		}
		if err != unix.EINTR {
			t.Fatal(err)
		}
	}
}

func TestLive(t *testing.T) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	text := []byte("abc")
	write := Call{Number: unix.SYS_WRITE, Args: [6]uintptr{uintptr(pipe[1]), uintptr(unsafe.Pointer(&text[0])), 1}}
	thrice := write
	thrice.Times, thrice.Step, thrice.Stride = 3, 2, 1
	fails := Call{Number: unix.SYS_CLOSE, Args: [6]uintptr{12345}}
	enough := fails
	enough.Enough, enough.Times = uintptr(unix.EBADF), 1000
	for _, tt := range []struct {
		name   string
		calls  []Call
		status int
		wrote  string
	}{
		{"nothing", nil, 0, ""},
		{"a call", []Call{write}, 0, "a"},
		{"a call again and again", []Call{thrice}, 0, "abc"},
		{"what comes behind a failure is left out", []Call{write, fails, write}, int(unix.EBADF), "a"},
		{"an error that is enough", []Call{enough, write}, 0, "a"},
		{"a result that is used", []Call{
			{Number: unix.SYS_DUP, Args: [6]uintptr{uintptr(pipe[1])}, Keep: true},
			{Number: unix.SYS_WRITE, Args: [6]uintptr{^uintptr(0), uintptr(unsafe.Pointer(&text[0])), 2}, Kept: 1},
		}, 0, "ab"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pid, err := Live(0, tt.calls)
			if err != nil {
				t.Fatal(err)
			}
			if ws := ended(t, pid); !ws.Exited() || ws.ExitStatus() != tt.status {
				t.Errorf("ended with %#x, want exit status %d", ws, tt.status)
			}
			buf := make([]byte, 16)
			n := 0
			if tt.wrote != "" {
				if n, err = unix.Read(pipe[0], buf); err != nil {
					t.Fatal(err)
				}
			}
			if got := string(buf[:n]); got != tt.wrote {
				t.Errorf("wrote %q, want %q", got, tt.wrote)
			}
		})
	}
	runtime.KeepAlive(text)
}

func TestLiveTellsWhyThereIsNoChild(t *testing.T) {
	if _, err := Live(unix.CLONE_SIGHAND, nil); err != unix.EINVAL { // needs CLONE_VM
		t.Errorf("error %v, want EINVAL", err)
	}
}

func TestThreads(t *testing.T) {
	if !HasThreads {
		t.Skip("not on this architecture")
	}
	pid, err := Live(0, []Call{{Threads: true, Times: 3}})
	if err != nil {
		t.Fatal(err)
	}
	if ws := ended(t, pid); !ws.Exited() || ws.ExitStatus() != 0 {
		t.Errorf("ended with %#x", ws)
	}
}

// Many children with many calls, on several threads, while the collector runs.
func TestLiveUnderLoad(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	errs := make(chan error, 4)
	for range 4 {
		go func() {
			calls := []Call{{Number: unix.SYS_GETPID, Times: 100}, {Threads: HasThreads, Number: unix.SYS_GETPID, Times: 2}}
			for range 50 {
				pid, err := Live(0, calls)
				if err == nil {
					var exited int
					if exited, err = collect([]int32{pid}); err == nil && exited != 1 {
						err = unix.ECHILD
					}
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
