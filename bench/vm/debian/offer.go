package debian

import (
	"regexp"
	"slices"
	"strings"

	"zombench/bench/vm"
	"zombench/results"
)

// An Offer is a kernel that a mirror has. It is without a Path unless it was fetched.
type Offer struct {
	vm.Kernel
	Arch          string   // Debian's name of the architecture
	Suites        []string // where this version is
	Size          int64    // of the package, bytes
	PackageSHA256 string   // hex
}

// Plain reports whether this is the architecture's ordinary kernel rather than
// a flavour of it (rt, cloud, 16k pages ...).
func (o Offer) Plain() bool {
	version, ok := strings.CutSuffix(o.Release, "-"+plainFlavours[o.Arch])
	return ok && !strings.HasSuffix(version, "-rt") && !strings.HasSuffix(version, "-cloud")
}

// plainFlavours are the flavours that QEMU's machines of package vm boot.
var plainFlavours = map[string]string{
	"amd64": "amd64", "i386": "686-pae", "arm64": "arm64", "armhf": "armmp-lpae", "ppc64el": "powerpc64le",
	"s390x": "s390x", "riscv64": "riscv64", "mips64el": "5kc-malta", "loong64": "loong64",
}

// bootable leaves out flavours for machines that QEMU is not asked for.
func bootable(arch, release string) bool {
	return arch != "mips64el" || strings.HasSuffix(release, "-5kc-malta")
}

// packageRE finds kernel images and their releases. linux-binary-* came with
// 6.19 and holds the image since; linux-image-* of the same release depends on
// it. A package without a full version in its name is a metapackage.
var packageRE = regexp.MustCompile(`^linux-(image|binary)-(\d+\.\d+\.\d+[-+~.a-z0-9]*-[a-z0-9]+)$`)

// unsigned ends the name of the package that holds the image before it was
// signed for Secure Boot.
const unsigned = "-unsigned"

// add keeps the best package of each release: the newest version, the one that
// holds the image, the one that is signed for Secure Boot as people run it.
func add(o Offer, p pair, byName map[string]*Offer) {
	m := packageRE.FindStringSubmatch(strings.TrimSuffix(o.Package, unsigned))
	if m == nil || strings.HasSuffix(o.Package, "-dbg") || strings.HasSuffix(o.Package, "-template") {
		return
	}
	o.Release, o.Arch = m[2], p.arch
	if !bootable(o.Arch, o.Release) {
		return
	}
	arch, err := vm.LookupArch(p.arch)
	if err != nil {
		return
	}
	o.GOARCH = arch.GOARCH
	o.Name = vm.Name(o.GOARCH, o.Release)
	o.Suites = []string{p.suite}
	have := byName[o.Name]
	if have == nil {
		byName[o.Name] = &o
		return
	}
	suites := have.Suites
	if !slices.Contains(suites, p.suite) {
		suites = append(suites, p.suite)
	}
	if c := results.CompareReleases(o.Version, have.Version); c > 0 && rank(o) >= rank(*have) || rank(o) > rank(*have) {
		*have = o
	}
	have.Suites = suites
}

func rank(o Offer) int {
	switch {
	case strings.HasPrefix(o.Package, "linux-binary-"):
		return 2
	case strings.HasSuffix(o.Package, unsigned):
		return 0
	default:
		return 1
	}
}
