package watch

import (
	"cmp"
	"slices"

	"zombench/measure/lifecycle"
	"zombench/measure/procs"
)

// most is how many sets of labels there are; what comes later counts for Other, so
// that whoever keeps the metrics is not flooded by hosts with many commands.
const most = 200

// Other is the command of all parents that came after the first ones.
const Other = "(other)"

// Labels are a name of parents and a place.
type Labels struct {
	Command string // the name, at most 15 bytes
	procs.Place
}

// Labelled are the counts since the start of the parents of some labels.
type Labelled struct {
	Labels
	Deaths, Reaps uint64
}

type labels map[Labels]*Labelled

// add counts for what a parent had counted for, or else for its labels.
func (l labels) add(to **Labelled, key Labels, c lifecycle.Counts) {
	if c.Deaths+c.Reaps == 0 {
		return
	}
	if *to == nil {
		*to = l.of(key)
	}
	(*to).Deaths += c.Deaths
	(*to).Reaps += c.Reaps
}

func (l labels) of(key Labels) *Labelled {
	if l[key] == nil && len(l) >= most {
		key = Labels{Command: Other}
	}
	if l[key] == nil {
		l[key] = &Labelled{Labels: key}
	}
	return l[key]
}

func (l labels) copy() []Labelled {
	var all []Labelled
	for _, x := range l {
		all = append(all, *x)
	}
	slices.SortFunc(all, func(a, b Labelled) int {
		return cmp.Or(cmp.Compare(a.Command, b.Command), cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.Container, b.Container))
	})
	return all
}
