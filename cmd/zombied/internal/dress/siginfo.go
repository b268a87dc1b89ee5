package dress

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// siStatus returns si_status of a child's siginfo: it comes behind si_pid and
// si_uid, and these at the first place of a pointer behind three ints.
func siStatus(info *unix.Siginfo) int32 {
	words := (*[32]int32)(unsafe.Pointer(info))
	at := 3
	if unsafe.Sizeof(uintptr(0)) == 8 {
		at = 4
	}
	return words[at+2]
}
