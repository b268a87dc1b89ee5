package ledger

import (
	"cmp"
	"slices"

	"zombench/results"
)

// A Watcher is a program that looked at the zombies while they were measured.
type Watcher struct {
	results.Watcher         // of all trials; how often it looks as the last of them knew
	Share           float64 // of the bytes that all of these left
}

// addWatchers takes in who looked, over all trials that found out.
func (l *Ledger) addWatchers() {
	for _, r := range l.trials {
		after, _ := r.Reading("after")
		if _, ok := after.Counter(results.CounterMade); !ok {
			continue
		}
		l.Traced += r.N
		for _, w := range r.Watchers {
			i := slices.IndexFunc(l.Watchers, func(known Watcher) bool { return known.Command == w.Command })
			if i < 0 {
				l.Watchers = append(l.Watchers, Watcher{Watcher: w})
				continue
			}
			known := &l.Watchers[i]
			if known.PID != w.PID {
				known.PID = 0
			}
			known.Every = cmp.Or(w.Every, known.Every)
			known.Processes += w.Processes
			known.Looks += w.Looks
			known.Objects += w.Objects
			known.Bytes += w.Bytes
		}
	}
	var all uint64
	for _, w := range l.Watchers {
		all += w.Bytes
	}
	for i, w := range l.Watchers {
		l.Watchers[i].Share = float64(w.Bytes) / float64(max(all, 1))
	}
	slices.SortFunc(l.Watchers, func(a, b Watcher) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Command, b.Command))
	})
}
