package measure

import (
	"fmt"
	"strconv"
	"strings"
)

// A Release is the version of a kernel as uname -r gives it, such as
// "6.18.44-amd64".
type Release string

// AtLeast reports whether the kernel is of a version or of a later one. A
// release that cannot be read counts as the latest.
func (r Release) AtLeast(major, minor int) bool {
	var a, b int
	if _, err := fmt.Sscanf(string(r), "%d.%d", &a, &b); err != nil {
		return true
	}
	return a > major || a == major && b >= minor
}

// Release reads /proc/sys/kernel/osrelease.
func (fs FS) Release() (Release, error) {
	text, err := fs.Sysctl("kernel.osrelease")
	return Release(text), err
}

// Bits32 reports whether the kernel is a 32-bit one. It gives its architecture
// from Linux 6.1 on (/proc/sys/kernel/arch); before, a 32-bit program takes its
// kernel for one like itself.
func (fs FS) Bits32() bool {
	arch, _ := fs.Sysctl("kernel.arch")
	return strconv.IntSize == 32 && !strings.Contains(arch, "64") && arch != "s390x"
}
