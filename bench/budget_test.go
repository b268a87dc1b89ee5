package bench

import (
	"testing"
	"time"
)

func TestFit(t *testing.T) {
	plans := func() []planned {
		var all []planned
		for i, n := range []int{0, 500, 1000, 2000} {
			all = append(all, planned{Setup{Bench: []string{"C", "S", "M", "L"}[i], Control: n == 0, Army: Army{Zombies: n}}, nil, 10})
		}
		return all
	}
	costs := map[string]time.Duration{"C": time.Second, "S": time.Second, "M": 2 * time.Second, "L": 4 * time.Second} // 8 s a round
	for _, tt := range []struct {
		left    time.Duration
		setups  int
		samples int
		rest    time.Duration
	}{
		{100 * time.Second, 4, 10, 20 * time.Second}, // all of it
		{80 * time.Second, 4, 10, 0},
		{79 * time.Second, 4, 9, 7 * time.Second}, // fewer samples first
		{48 * time.Second, 4, 6, 0},
		{47 * time.Second, 3, 10, 7 * time.Second}, // then the largest armies
		{24 * time.Second, 3, 6, 0},
		{20 * time.Second, 3, 6, -4 * time.Second}, // two sizes stay, with six samples
	} {
		got, rest := fit(plans(), costs, tt.left)
		if len(got) != tt.setups || got[0].samples != tt.samples || rest != tt.rest {
			t.Errorf("%v: %d setups, %d samples, %v left; want %d, %d, %v", tt.left, len(got), got[0].samples, rest, tt.setups, tt.samples, tt.rest)
		}
	}
	few := plans()
	few[1].samples = 2
	if got, _ := fit(few, costs, 50*time.Second); got[1].samples != 2 || got[2].samples < leastSamples {
		t.Errorf("of 2 samples asked for %d are taken, of others %d", got[1].samples, got[2].samples)
	}
}
