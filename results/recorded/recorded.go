// Package recorded holds the committed runs, and says by them what one zombie
// costs on a kernel that nobody has measured here.
//
// The files are part of every program that asks, so that its answers are the same
// in every directory. The answer names the run that it is from: the kernel itself,
// or the nearest of its architecture. It is not for reports of the runs, which
// package report makes from the same files.
package recorded

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"

	"zombench/results"
	"zombench/results/stats"
)

//go:embed *.txt
var files embed.FS

// dir is where the files are in the repository.
const dir = "results/recorded/"

// Load reads all recorded files. An error is a fault of the build.
func Load() (*results.Set, error) {
	set, errs := results.ReadFS(files, "*.txt")
	return set, errors.Join(errs...)
}

// A System is a kernel of whose zombies the cost is asked.
type System struct {
	Kernel   string // release
	GOARCH   string
	PageSize int // bytes; 0 if unknown
}

func (s System) String() string { return "Linux " + s.Kernel + "/" + s.GOARCH }

// A Cost is what one zombie takes, in bytes, and how that is known.
type Cost struct {
	Pages    uint64 `json:"slab_bytes"`   // of slab pages: what the machine has less
	Charge   uint64 `json:"charge_bytes"` // of objects: what its cgroup is charged
	Measured bool   `json:"measured"`     // on this very kernel; false: on the nearest that is recorded
	Source   string `json:"source"`
}

// String says what one zombie takes.
func (c Cost) String() string {
	if c.Pages == c.Charge {
		return fmt.Sprintf("a zombie takes %d B: %s", c.Pages, c.Source)
	}
	return fmt.Sprintf("a zombie takes %d B of slab pages, and its cgroup is charged %d B: %s", c.Pages, c.Charge, c.Source)
}

// Assumed marks a number that comes of a cost that nobody has measured on this
// kernel.
func (c Cost) Assumed() string {
	if c.Measured {
		return ""
	}
	return " (estimated)"
}

// Find returns what a zombie takes: by the result file from, if that is not
// empty; otherwise by the file local if it was measured on this kernel, then by the
// recorded run of this kernel, or of the nearest one of its architecture.
func Find(from, local string, here System) (Cost, error) {
	if from != "" {
		set, errs := results.Load(from)
		if len(errs) > 0 {
			return Cost{}, errors.Join(errs...)
		}
		all := candidates(set, "")
		if len(all) == 0 {
			return Cost{}, fmt.Errorf("%s: no memory was measured that is above the noise", from)
		}
		c := nearest(all, here)
		cost := c.cost(true) // whoever names a file wants it
		if !c.isOf(here) {
			cost.Source += "; this is " + here.String()
		}
		return cost, nil
	}
	set, errs := results.Load(local)
	own := slices.DeleteFunc(candidates(set, ""), func(c candidate) bool { return !c.isOf(here) })
	if len(errs) == 0 && len(own) > 0 {
		return nearest(own, here).cost(true), nil
	}
	all, err := around(here)
	if err != nil {
		return Cost{}, err
	}
	c := nearest(all, here)
	if c.isOf(here) {
		return c.cost(true), nil
	}
	cost := c.cost(false)
	if c.GOARCH == here.GOARCH {
		cost.Source += fmt.Sprintf("; the nearest recorded kernel to this %s", here)
	} else {
		cost.Source += fmt.Sprintf("; the costliest recorded kernel, for nothing is recorded of the architecture of this %s", here)
	}
	if err := errors.Join(errs...); err != nil && !errors.Is(err, fs.ErrNotExist) {
		cost.Source += fmt.Sprintf("; %s cannot be used", local)
	}
	cost.Source += fmt.Sprintf("; zombench run -o %s measures this one", local)
	return cost, nil
}

// around returns the recorded candidates that nearest may pick. To read the runs of
// all other systems takes longer than all else that an answer needs.
func around(here System) ([]candidate, error) {
	name, closest := "", []float64(nil)
	names, err := fs.Glob(files, "*.txt")
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		data, err := files.ReadFile(n)
		if err != nil {
			return nil, err
		}
		if s := heading(data); s.GOARCH == here.GOARCH {
			if d := s.distance(here); name == "" || slices.Compare(d, closest) < 0 {
				name, closest = n, d
			}
		}
	}
	if name != "" {
		set, errs := results.ReadFS(files, name)
		if all := candidates(set, dir); len(all) > 0 || len(errs) > 0 {
			return all, errors.Join(errs...)
		}
	}
	set, err := Load()
	return candidates(set, dir), err
}

// heading reads the system that a recorded file says it is of, before its results.
func heading(data []byte) (s System) {
	for line := range bytes.Lines(data) {
		key, value, _ := strings.Cut(strings.TrimSpace(string(line)), ": ")
		switch key {
		case "":
			return s
		case "kernel":
			s.Kernel = value
		case "goarch":
			s.GOARCH = value
		case "page-size":
			s.PageSize, _ = strconv.Atoi(value)
		}
	}
	return s
}

// distance is less the more a system's zombies say of those here, on the same
// architecture: for [slices.Compare].
func (s System) distance(here System) []float64 {
	flag := func(differs bool) float64 {
		if differs {
			return 1
		}
		return 0
	}
	return []float64{
		flag(s.Kernel != here.Kernel || s.GOARCH != here.GOARCH),
		flag(here.PageSize > 0 && s.PageSize != here.PageSize),
		math.Abs(version(s.Kernel) - version(here.Kernel)),
		flag(results.Flavour(s.Kernel) != results.Flavour(here.Kernel)),
		float64(len(results.Flavour(s.Kernel))), // rt and cloud say so in one word more
	}
}

// A candidate is what one system's zombies take that were raised in one way.
type candidate struct {
	System
	spawn, file   string
	pages, charge float64 // 0 if not measured above the noise
}

func candidates(set *results.Set, dir string) []candidate {
	var all []candidate
	for _, s := range stats.Summarize(stats.Groups(stats.Setups(set.Records))) {
		if len(s.Armies) == 0 {
			continue
		}
		c := candidate{spawn: s.Label("spawn"), file: dir + s.Armies[0].First.File}
		c.Kernel, c.GOARCH = s.Label("kernel"), s.Label("goarch")
		c.PageSize, _ = strconv.Atoi(s.Label("page-size"))
		c.pages, c.charge = bytesOf(s.Slab()), bytesOf(s.Charge())
		if c.pages+c.charge > 0 {
			all = append(all, c)
		}
	}
	return all
}

func bytesOf(e *stats.Estimate) float64 {
	if e == nil || !e.AboveNoise() {
		return 0
	}
	return math.Round(e.PerZombie)
}

func (c candidate) isOf(here System) bool { return c.Kernel == here.Kernel && c.GOARCH == here.GOARCH }

// nearest picks the candidate that says most about zombies here: of the same
// architecture, kernel and size of pages, or of the nearest version; and raised in
// a way that leaves nothing but the zombie. Where nothing is of the architecture it
// is the costliest, to be on the safe side.
func nearest(all []candidate, here System) candidate {
	same := slices.DeleteFunc(slices.Clone(all), func(c candidate) bool { return c.GOARCH != here.GOARCH })
	if len(same) == 0 {
		return slices.MaxFunc(all, func(a, b candidate) int { return cmp.Compare(max(a.pages, a.charge), max(b.pages, b.charge)) })
	}
	rank := func(c candidate) []float64 {
		return append(c.distance(here), float64(slices.Index([]string{"exec", "clone", "fork", c.spawn}, c.spawn)))
	}
	return slices.MinFunc(same, func(a, b candidate) int { return slices.Compare(rank(a), rank(b)) })
}

// version makes a number of a release, of which the series counts most: 6.12.107
// is 6012.107.
func version(release string) float64 {
	var major, minor, patch int
	_, _ = fmt.Sscanf(release, "%d.%d.%d", &major, &minor, &patch) // what is not there is 0
	return float64(major)*1000 + float64(minor) + float64(patch)/1000
}

// cost is the candidate as an answer, for the system that it is of (it is measured) or
// for another.
func (c candidate) cost(measured bool) Cost {
	cost := Cost{Pages: uint64(c.pages), Charge: uint64(c.charge), Measured: measured}
	what := ""
	switch {
	case c.pages == 0:
		cost.Pages, what = cost.Charge, ", by the charge alone: slab pages take some more"
	case c.charge == 0:
		cost.Charge, what = cost.Pages, ", by slab pages alone: the charge is somewhat less"
	case c.pages < c.charge: // the objects went into slabs that had room
		cost.Pages, what = cost.Charge, ", by the charge alone: slab grew by less and does not show it all"
	}
	cost.Source = fmt.Sprintf("measured on %s, spawn %s (%s)%s", c.System, c.spawn, c.file, what)
	return cost
}
