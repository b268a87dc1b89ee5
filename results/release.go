package results

import (
	"cmp"
	"regexp"
	"strings"

	version "github.com/knqyf263/go-deb-version"
)

// versionRE is how a release begins: with its version, behind which the packager may
// have put a number of his own, or the name of his own release.
var versionRE = regexp.MustCompile(`^(\d+\.\d+\.0-\d+(\.[^-+]*)?|[0-9.]+(~rc\d+)?(-\d+\.[^-+]*)?)(\+[a-z]+\d+)?(-|$)`)

// Flavour is what a release of a kernel (uname -r) says besides its version, such as
// rt-amd64.
func Flavour(release string) string { return versionRE.ReplaceAllString(release, "") }

// CompareReleases orders releases of kernels, and versions of Debian's packages, as
// deb-version(7) says; what is neither comes first.
func CompareReleases(a, b string) int {
	v, errA := version.NewVersion(a)
	w, errB := version.NewVersion(b)
	if errA != nil && errB != nil {
		return strings.Compare(a, b)
	}
	return cmp.Compare(v.Compare(w), 0)
}
