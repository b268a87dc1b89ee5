// Package dress measures what a zombie keeps alive besides itself: a process that
// was a session leader, had threads or a cgroup of its own, or left signals
// unread holds more when it is dead than one that did nothing.
//
// A trial raises two armies of the same size in one cgroup, one after the other:
// one that did nothing before it died (naked) and one that did one thing
// (dressed), and takes the difference, a zombie, on every instrument. What it is
// that children do, zombied knows (zombied start --dress). Beside what is held
// stand the dresses that the kernel takes off at the end: they must add nothing,
// and so must the trial whose second army is naked too.
package dress

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"zombench/bench"
	"zombench/measure"
	"zombench/results"
)

// The benchmarks, without the word Benchmark.
const (
	Dress   = "Dress"
	Fattest = "Fattest"
)

// naked is the dress of those who did nothing.
const naked = "naked"

// A cost is by what rule a dress is held, or not.
type cost string

// The rules. Kernels from which on they hold are in the text of each dress.
const (
	held     cost = "held until the reap"
	takenOff cost = "a control: given back at the end of the process, must add nothing"
)

// A dress is what children do before they end, by zombied's name for it.
type dress struct {
	name string
	text string
	cost cost
}

// dresses are what zombied knows, in the order of its help.
func dresses() []dress {
	return []dress{
		{"setsid", "the leader of a session: autogroup and task_group, with a part for each possible CPU", held},
		{"threads", "had a second thread: taskstats", held},
		{"groups", "supplementary groups: group_info, 4 B each", held},
		{"keyring", "a session keyring of its own: key and array", held},
		{"seccomp", "a seccomp filter of its own: program and code; up to Linux 6.10", held},
		{"userns", "a user namespace of its own: user_namespace, its sysctls, ucounts", held},
		{"pidns", "the init of a pid namespace: pid_namespace, ucounts", held},
		{"pending", "queued real-time signals: sigqueue each", held},
		{"landlock", "a Landlock domain of its own: ruleset and rules", held},
		{"uring", "an io_uring: io_uring_task", held},
		{"cgroup", "a cgroup of its own, which is still there", held},
		{"grave", "a cgroup of its own, which was removed: it dies with the reap", held},
		{"oom", "killed by the OOM killer: mm_struct", held},
		{"sve", "scalable vector registers of an arm64 CPU: their state", held},

		{"files", "open files", takenOff},
		{"rss", "touched memory", takenOff},
		{"netns", "a network namespace", takenOff},
		{"mntns", "a mount namespace", takenOff},
		{"timer", "an armed POSIX timer", takenOff},
		{"perf", "a perf event", takenOff},
	}
}

// defaults are the dresses with their numbers that are measured unless the user
// says otherwise.
var defaults = []string{
	"setsid", "threads", "groups=1000", "keyring", "seccomp=16", "userns", "pidns", "pending=20", "landlock", "uring", "cgroup", "grave", "oom", "sve=256",
	"files=1000", "rss=64M", "netns", "mntns", "timer", "perf",
}

// A plan is what the user may set.
type plan struct {
	dresses []string
	count   int
}

// Experiment returns the experiment.
func Experiment() bench.Experiment {
	p := &plan{dresses: slices.Clone(defaults), count: 200}
	return bench.Experiment{
		Name:    "dress",
		Asks:    "what does a zombie keep alive besides itself?",
		Units:   units(),
		Zombied: true,
		Samples: 10,
		Fields: []bench.Field{
			Field(&p.dresses),
			{Name: "count", Usage: "zombies in an army", Value: bench.Int(&p.count, 1, bench.MaxZombies)},
		},
		Setups: p.setups,
	}
}

// Field makes the field dress, a list of dresses, each of which may be several.
func Field(p *[]string) bench.Field {
	return bench.Field{Name: "dress", Usage: "what children do before they end, such as setsid,groups=1000; one zombie may do several: setsid+threads", Value: bench.List(p, parse)}
}

// Args returns the arguments of zombied start for an outfit.
func Args(outfit string) []string {
	return []string{"--dress", strings.ReplaceAll(outfit, "+", ",")}
}

// parse reads an outfit: words such as groups=1000, with + between them.
func parse(outfit string) (string, error) {
	for _, word := range strings.Split(outfit, "+") {
		if _, ok := lookup(word); !ok {
			return "", fmt.Errorf("unknown dress %q: want %s", word, strings.Join(names(), ", "))
		}
	}
	return outfit, nil
}

// lookup finds a dress by a word such as groups=1000.
func lookup(word string) (dress, bool) {
	name, number, _ := strings.Cut(word, "=")
	if strings.ContainsFunc(number, func(r rune) bool { return !('0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z') }) {
		return dress{}, false
	}
	i := slices.IndexFunc(dresses(), func(d dress) bool { return d.name == name })
	if i < 0 {
		return dress{}, false
	}
	return dresses()[i], true
}

func names() (all []string) {
	for _, d := range dresses() {
		all = append(all, d.name)
	}
	return all
}

// About says what an outfit is, for people.
func About(outfit string) string {
	var parts []string
	for _, word := range strings.Split(outfit, "+") {
		d, _ := lookup(word)
		parts = append(parts, fmt.Sprintf("%s; %s", d.text, d.cost))
	}
	return strings.Join(parts, " + ")
}

func (p *plan) setups() ([]bench.Setup, error) {
	if err := bench.AtLeastOne("dress", p.dresses, "dress"); err != nil {
		return nil, err
	}
	cpus, err := measure.Host().PossibleCPUs()
	if err != nil {
		return nil, err
	}
	setups := []bench.Setup{p.setup(naked, len(cpus), "a naked army after a naked one: what differs is noise")}
	setups[0].Control = true
	for _, outfit := range p.dresses {
		setups = append(setups, p.setup(outfit, len(cpus), About(outfit)))
	}
	return append(setups, fattestSetup(), exhaustSetup()), nil
}

// setup is the setup of an outfit. Its name tells the possible CPUs, for each of
// which some dresses have a part.
func (p *plan) setup(outfit string, cpus int, about string) bench.Setup {
	t := &comparison{outfit: outfit, count: p.count}
	return bench.Setup{
		Bench:  Dress,
		Params: []results.Param{{Key: "dress", Value: outfit}, {Key: "count", Value: strconv.Itoa(p.count)}, {Key: "cpus", Value: strconv.Itoa(cpus)}},
		About:  about,
		Group:  Dress,
		Needs:  []bench.Need{bench.NeedRoot, bench.NeedCgroup},
		Army:   bench.Army{Zombies: p.count, Tasks: parallel},
		Run:    bench.Stepwise(t.run),
	}
}

// parallel is how many threads start children. What a zombie holds does not
// depend on it.
const parallel = 1
