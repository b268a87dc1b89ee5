package bench_test

import (
	"context"
	"fmt"

	"zombench/bench"
	"zombench/results"
)

// sleepers is an experiment on what n sleeping processes take; zombench run would
// know it by its name once it stood in the list of package experiments.
func sleepers() bench.Experiment {
	n := 100
	return bench.Experiment{
		Name:   "sleepers",
		Asks:   "how many tasks is a process that sleeps?",
		Units:  []results.Unit{{Name: "tasks", Meta: "assume=exact", Meaning: "tasks charged to the cgroup"}},
		Fields: []bench.Field{{Name: "count", Usage: "processes to start", Value: bench.Int(&n, 1, bench.MaxZombies)}},
		Setups: func() ([]bench.Setup, error) {
			return []bench.Setup{{
				Bench: "Sleepers", Params: []results.Param{{Key: "count", Value: fmt.Sprint(n)}},
				Needs: []bench.Need{bench.NeedCgroup},
				Run: func(_ context.Context, s *bench.Site) error {
					tasks, err := s.Tasks()
					s.Put("tasks", float64(tasks))
					return err
				},
			}}, nil
		},
	}
}

// The fields of an experiment are set from text, and make its benchmarks.
func ExampleExperiment() {
	e := sleepers()
	fmt.Println(e.Fields[0].Value.Set("0"))
	fmt.Println(e.Fields[0].Value.Set("20"))
	setups, err := e.Setups()
	fmt.Println(setups[0].Name(), err)
	// Output:
	// 0 is out of range: want 1 to 4194304
	// <nil>
	// Sleepers/count=20 <nil>
}
