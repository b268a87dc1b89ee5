package debian

import (
	"cmp"
	"strings"

	version "github.com/knqyf263/go-deb-version"
)

// CompareVersions orders Debian versions, and releases, as deb-version(7) says;
// what is neither comes first.
func CompareVersions(a, b string) int {
	v, errA := version.NewVersion(a)
	w, errB := version.NewVersion(b)
	if errA != nil && errB != nil {
		return strings.Compare(a, b)
	}
	return cmp.Compare(v.Compare(w), 0)
}
