// Package dress is a way of spawning whose children do something before they
// end: one becomes a session leader, one joins a cgroup that is removed when it
// is dead. A zombie keeps some of that alive and some not.
//
// In flows a list such as "setsid,groups=1000", out flow children that made a
// few system calls each and nothing more: they have no runtime of their own and
// execute no program (exec would take half of it off again). Whoever is given a
// dress that this kernel or this user cannot have is told which one and why.
package dress

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"zombench/cmd/zombied/internal/clone"
)

// Naked is the dress of a child that does nothing.
const Naked = "naked"

// A kind is what can be asked for by a name.
type kind struct {
	name string
	text string // for people
	def  int    // its number unless the list says otherwise; 0: it takes none
	most int    // the largest number
	sew  func(o *outfit, n int) error
}

// kinds are all there are, in the order of the help text.
func kinds() []kind {
	return []kind{
		{Naked, "nothing", 0, 0, func(*outfit, int) error { return nil }},
		{"setsid", "a session of its own", 0, 0, setsid},
		{"threads", "further threads, which end at once", 1, 1000, threads},
		{"groups", "supplementary groups", 1000, 65536, groups},
		{"keyring", "a session keyring with N keys; max: as many as the user may have", none, mostKeys, keyring},
		{"seccomp", "a seccomp filter of N instructions", 16, 4096, seccomp},
		{"userns", "nested user namespaces", 1, 32, userns},
		{"pidns", "a pid namespace, of which it is the init", 0, 0, flags(unix.CLONE_NEWPID)},
		{"pending", "queued signals; max: as many as RLIMIT_SIGPENDING allows", 20, math.MaxInt32, pending},
		{"landlock", "a Landlock domain with N rules for ports", none, 65536, landlock},
		{"uring", "an io_uring", 0, 0, uring},
		{"cgroup", "a cgroup of its own, which remains until the reap", 0, 0, cgroup},
		{"grave", "a cgroup of its own, which is removed once the child is dead", 0, 0, grave},
		{"oom", "killed by the OOM killer", 0, 0, oom},
		{"sve", "vector registers of N bytes, on arm64", 256, 256, sve},

		{"files", "open files", 1000, 1 << 20, files},
		{"rss", "touched memory in bytes, such as 64M", 64 << 20, math.MaxInt32, rss},
		{"netns", "a network namespace", 0, 0, flags(unix.CLONE_NEWNET)},
		{"mntns", "a mount namespace", 0, 0, flags(unix.CLONE_NEWNS)},
		{"timer", "an armed POSIX timer", 0, 0, timer},
		{"perf", "a perf event of its own", 0, 0, perf},
	}
}

// none is the number of a dress that may have one and has none by default.
const none = -1

// Names lists the dresses.
func Names() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// Help describes the dresses, a line each.
func Help() string {
	var b strings.Builder
	for _, k := range kinds() {
		name := k.name
		switch {
		case k.def > 0:
			name += fmt.Sprintf("[=%d]", k.def)
		case k.def == none:
			name += "[=N]"
		}
		fmt.Fprintf(&b, "  %-16s %s\n", name, k.text)
	}
	return b.String()
}

// Check reports what is wrong with a list of dresses, whatever the machine.
func Check(list string) error {
	_, err := parse(list)
	return err
}

// A garment is a kind with its number.
type garment struct {
	kind
	word string // by which it was asked for
	n    int
}

func parse(list string) ([]garment, error) {
	var all []garment
	for _, word := range strings.Split(list, ",") {
		name, number, hasNumber := strings.Cut(word, "=")
		i := slices.IndexFunc(kinds(), func(k kind) bool { return k.name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown dress %q: want %s", name, strings.Join(Names(), ", "))
		}
		g := garment{kinds()[i], word, kinds()[i].def}
		if hasNumber {
			n, err := size(number, g.most)
			if g.def == 0 {
				err = errors.New("takes no number")
			}
			if err != nil {
				return nil, fmt.Errorf("dress %s: %w", word, err)
			}
			g.n = n
		}
		if slices.ContainsFunc(all, func(other garment) bool { return other.name == name }) {
			return nil, fmt.Errorf("dress %s is given twice", name)
		}
		all = append(all, g)
	}
	return all, nil
}

// size reads a number, which may end in K or M, or be max.
func size(s string, most int) (int, error) {
	if s == "max" {
		return most, nil
	}
	digits, unit := s, 1
	if d, ok := strings.CutSuffix(s, "M"); ok {
		digits, unit = d, 1<<20
	} else if d, ok := strings.CutSuffix(s, "K"); ok {
		digits, unit = d, 1<<10
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > most/unit {
		return 0, fmt.Errorf("%q: want a number from 1 to %d", s, most)
	}
	return n * unit, nil
}

// An Error says that a child could not have its dress.
type Error struct {
	Dress string
	Err   error // mostly a unix.Errno
}

func (e *Error) Error() string { return fmt.Sprintf("dress %s: %v", e.Dress, e.Err) }

// Unsupported reports whether this kernel has no such thing.
func (e *Error) Unsupported() bool {
	return e.is(unix.ENOSYS, unix.EOPNOTSUPP, unix.EINVAL, unix.ENODEV, unix.ENOENT, unix.E2BIG, errors.ErrUnsupported)
}

// Denied reports whether this user may not have it.
func (e *Error) Denied() bool { return e.is(unix.EPERM, unix.EACCES, unix.EROFS) }

func (e *Error) is(errs ...error) bool {
	return slices.ContainsFunc(errs, func(err error) bool { return errors.Is(e.Err, err) })
}

// An outfit is what all dresses of a list come to, prepared once for all
// children.
type outfit struct {
	flags   uintptr // of clone(2)
	calls   []clone.Call
	keep    []any // what the arguments of calls point to
	cgroups cgroupUse
	killed  bool // the child ends by SIGKILL
}

func sew(garments []garment) (*outfit, error) {
	o := &outfit{}
	for _, g := range garments {
		if err := g.sew(o, g.n); err != nil {
			return nil, &Error{g.word, err}
		}
	}
	return o, nil
}

func (o *outfit) call(c ...clone.Call) { o.calls = append(o.calls, c...) }

// do adds a call that is made once.
func (o *outfit) do(number uintptr, args ...uintptr) {
	c := clone.Call{Number: number}
	copy(c.Args[:], args)
	o.call(c)
}

// flags makes a dress of flags for clone(2) alone.
func flags(f uintptr) func(*outfit, int) error {
	return func(o *outfit, _ int) error { o.flags |= f; return nil }
}
