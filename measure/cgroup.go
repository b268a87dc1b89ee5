package measure

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Membership says which cgroups a process is in (cgroups(7)), as far as this
// process can see them.
type Membership struct {
	hierarchies []hierarchy
	listed      string
}

// Listed returns the path of the cgroup as /proc/PID/cgroup lists it, see
// [FS.CgroupPath]: it need not be one inside of a mount.
func (m Membership) Listed() string { return m.listed }

// Hierarchy is the place of a process in a mounted hierarchy.
type Hierarchy struct {
	Version int    // 1 or 2
	Mount   string // mount point; it may show only a part of the hierarchy (bind mount, cgroup namespace)
	Path    string // of the process inside the mount, "/" or "/..."
}

type hierarchy struct {
	Hierarchy
	controllers []string // v1: with "name=systemd" for a named one; v2: as listed by its mount
}

// Dir returns the directory of the process's cgroup.
func (h Hierarchy) Dir() string { return filepath.Join(h.Mount, h.Path) }

// Ancestors returns the directories of the process's cgroup and of all above
// it that the mount shows, the lowest first and the mount point last.
func (h Hierarchy) Ancestors() []string {
	var dirs []string
	for path := filepath.Clean("/" + h.Path); ; path = filepath.Dir(path) {
		dirs = append(dirs, filepath.Join(h.Mount, path))
		if path == "/" {
			return dirs
		}
	}
}

// Cgroups reads /proc/PID/cgroup and the mounts of the reading process. A pid
// of 0 means the reading process.
func (fs FS) Cgroups(pid int) (Membership, error) {
	var m Membership
	lines, err := fs.cgroupLines(pid)
	if err != nil {
		return m, fmt.Errorf("reading the cgroups of process %d: %w", pid, err)
	}
	m.listed = listedPath(lines)
	mounts, err := fs.cgroupMounts()
	if err != nil {
		return m, err
	}
	for _, l := range lines {
		if err := m.add(fs, l, mounts); err != nil {
			return m, err
		}
	}
	return m, nil
}

func (fs FS) cgroupLines(pid int) ([]cgroupLine, error) {
	return parseFile(filepath.Join(fs.PIDDir(pid), "cgroup"), parseCgroup)
}

// cgroupMounts are our own: what another process sees need not be reachable for us.
func (fs FS) cgroupMounts() ([]mount, error) {
	mounts, err := parseFile(fs.proc("self", "mountinfo"), parseMountinfo)
	if err != nil {
		err = fmt.Errorf("reading the cgroup mounts: %w", err)
	}
	return mounts, err
}

// add adds the hierarchy of a line, once, if a mount shows it.
func (m *Membership) add(fs FS, l cgroupLine, mounts []mount) error {
	h, ok := fs.place(l, mounts)
	if !ok || slices.ContainsFunc(m.hierarchies, func(o hierarchy) bool { return o.Mount == h.Mount }) {
		return nil
	}
	if h.Version == 2 {
		listed, err := readFile(filepath.Join(h.Mount, "cgroup.controllers"))
		if err != nil {
			return fmt.Errorf("reading the controllers of cgroup v2: %w", err)
		}
		h.controllers = strings.Fields(string(listed))
	}
	m.hierarchies = append(m.hierarchies, h)
	return nil
}

// Descendants returns how many cgroups there are below one of version 2, by its
// directory, and how many there may be (cgroup.stat, cgroup.max.descendants; Linux
// 4.14).
func Descendants(dir string) (n, limit uint64, unlimited bool, err error) {
	if limit, unlimited, err = readMax(filepath.Join(dir, "cgroup.max.descendants")); err == nil {
		n, err = readField(filepath.Join(dir, "cgroup.stat"), "nr_descendants")
	}
	return n, limit, unlimited, err
}

// Controller finds the hierarchy that carries a controller ("pids",
// "memory"). A v2 hierarchy carries what cgroup.controllers of its mount
// lists; whether it is enabled in the process's own cgroup is another matter.
// ErrNotSupported if none does or none is mounted where it can be seen.
func (m Membership) Controller(name string) (Hierarchy, error) {
	return m.find("with the "+name+" controller", func(h hierarchy) bool { return slices.Contains(h.controllers, name) })
}

// Unified returns the process's place in the hierarchy of version 2, whichever
// controllers it carries: beside version 1 it has none, and still cgroup.kill and
// cgroup.freeze. ErrNotSupported if none is mounted where it can be seen.
func (m Membership) Unified() (Hierarchy, error) {
	return m.find("of version 2", func(h hierarchy) bool { return h.Version == 2 })
}

func (m Membership) find(what string, wanted func(hierarchy) bool) (Hierarchy, error) {
	if i := slices.IndexFunc(m.hierarchies, wanted); i >= 0 {
		return m.hierarchies[i].Hierarchy, nil
	}
	return Hierarchy{}, fmt.Errorf("%w: no mounted cgroup hierarchy %s shows this process", ErrNotSupported, what)
}

// place finds the mount that shows the cgroup of a line. Later mounts cover
// earlier ones, so the last that has the directory wins.
func (fs FS) place(l cgroupLine, mounts []mount) (hierarchy, bool) {
	for _, mt := range slices.Backward(mounts) {
		path, ok := under(mt.root, l.path)
		if !ok || !mt.carries(l) {
			continue
		}
		h := Hierarchy{mt.version, filepath.Join(fs.Root, mt.point), path}
		if _, err := os.Stat(h.Dir()); err == nil {
			return hierarchy{h, l.controllers}, true
		}
	}
	return hierarchy{}, false
}

// under returns path as seen from root, both being paths in one hierarchy. A
// path that begins with "/.." lies outside of our cgroup namespace and a
// root that does lies above it: what then leads from one to the other has no
// name for us.
func under(root, path string) (string, bool) {
	if root == path {
		return "/", true
	}
	if path == "/.." || strings.HasPrefix(path, "/../") {
		return "", false
	}
	if root == "/" {
		return path, true
	}
	if rest, ok := strings.CutPrefix(path, root); ok && rest[0] == '/' {
		return rest, true
	}
	return "", false
}

// cgroupLine is a line of /proc/PID/cgroup: ID:CONTROLLERS:PATH.
type cgroupLine struct {
	id          int
	controllers []string
	path        string
}

func (l cgroupLine) unified() bool { return l.id == 0 && len(l.controllers) == 0 }

func parseCgroup(data []byte) ([]cgroupLine, error) {
	var lines []cgroupLine
	for text := range strings.Lines(string(data)) {
		text = strings.TrimSuffix(text, "\n")
		if text == "" {
			continue
		}
		// The path comes last since it may hold colons.
		f := strings.SplitN(text, ":", 3)
		if len(f) != 3 || !strings.HasPrefix(f[2], "/") {
			return nil, fmt.Errorf("%w: want id:controllers:/path, got %q", ErrMalformed, clip(text))
		}
		id, err := strconv.Atoi(f[0])
		if err != nil || id < 0 {
			return nil, fmt.Errorf("%w: want a hierarchy's number, got %q", ErrMalformed, clip(f[0]))
		}
		l := cgroupLine{id: id, path: f[2]}
		if f[1] != "" {
			l.controllers = strings.Split(f[1], ",")
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// mount is a cgroup mount out of /proc/PID/mountinfo.
type mount struct {
	root    string // the directory of the hierarchy that forms the mount's root
	point   string
	version int
	options []string // of the superblock: the controllers of a v1 hierarchy
}

// carries reports whether the mount is one of the line's hierarchy.
func (m mount) carries(l cgroupLine) bool {
	if l.unified() {
		return m.version == 2
	}
	if m.version != 1 || len(l.controllers) == 0 {
		return false
	}
	return !slices.ContainsFunc(l.controllers, func(c string) bool { return !slices.Contains(m.options, c) })
}

// parseMountinfo returns the cgroup mounts among the lines of mountinfo
// (proc_pid_mountinfo(5)):
//
//	36 35 98:0 /root /point rw,noatime [optional ...] - fstype source options
func parseMountinfo(data []byte) ([]mount, error) {
	var mounts []mount
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		head, tail, ok := strings.Cut(string(line), " - ")
		pre, post := strings.Fields(head), strings.Fields(tail)
		if !ok || len(pre) < 6 || len(post) < 1 {
			return nil, fmt.Errorf("%w: not a mount: %q", ErrMalformed, clip(line))
		}
		m := mount{root: unescape(pre[3]), point: unescape(pre[4])}
		switch post[0] {
		case "cgroup":
			m.version = 1
		case "cgroup2":
			m.version = 2
		default:
			continue
		}
		// The source may be empty, so the options are what comes last.
		m.options = strings.Split(post[len(post)-1], ",")
		mounts = append(mounts, m)
	}
	return mounts, nil
}

// unescape undoes the kernel's octal escapes (mangle in fs/proc_namespace.c):
// \040 for a space, \011, \012, \134 and \043.
func unescape(s string) string {
	if !strings.ContainsRune(s, '\\') {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
