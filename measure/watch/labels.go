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

func (l *Labelled) add(c lifecycle.Counts) {
	l.Deaths += c.Deaths
	l.Reaps += c.Reaps
}

type labels struct{ all map[Labels]*Labelled }

func (l *labels) of(command string, place procs.Place) *Labelled {
	if l.all == nil {
		l.all = make(map[Labels]*Labelled)
	}
	key := Labels{command, place}
	if l.all[key] == nil && len(l.all) >= most {
		key = Labels{Command: Other}
	}
	if l.all[key] == nil {
		l.all[key] = &Labelled{Labels: key}
	}
	return l.all[key]
}

func (l *labels) copy() []Labelled {
	var all []Labelled
	for _, x := range l.all {
		all = append(all, *x)
	}
	slices.SortFunc(all, func(a, b Labelled) int {
		return cmp.Or(cmp.Compare(a.Command, b.Command), cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.Container, b.Container))
	})
	return all
}
