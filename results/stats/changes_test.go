package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// nile is the yearly flow of the Nile at Aswan from 1871 to 1970, in 10^8 cubic metres
// (G. Cobb, The problem of the Nile, Biometrika 65, 1978, 243-251), which fell in 1899.
var nile = []float64{
	1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140,
	1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969,
	831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759,
	781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890,
	744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
}

func TestChangesOfTheNile(t *testing.T) {
	// Four years are a member of the series, so that they say how much chance there is.
	var series [][]float64
	for years := range slices.Chunk(nile, 4) {
		series = append(series, years)
	}
	if got := Changes(series); !slices.Equal(got, []int{7}) {
		t.Errorf("changes at %v, want 7: the year %d", got, 1871+4*7)
	}
}

// series of levels, with normal noise.
func noisy(r *rand.Rand, noise float64, levels ...float64) (series [][]float64) {
	for _, level := range levels {
		var values []float64
		for range 6 {
			values = append(values, level+noise*r.NormFloat64())
		}
		series = append(series, values)
	}
	return series
}

func TestChanges(t *testing.T) {
	const a, b, c = 12096, 12160, 12690
	for _, tt := range []struct {
		name   string
		noise  float64
		levels []float64
		want   []int
	}{
		{"none", 8, []float64{a, a, a, a, a, a, a, a}, nil},
		{"one", 8, []float64{a, a, a, c, c, c}, []int{3}},
		{"two, the last alone", 8, []float64{a, a, b, b, b, c}, []int{2, 5}},
		{"there and back", 8, []float64{a, a, b, a, a}, []int{2, 3}},
		{"lost in the noise", 800, []float64{a, a, a, b, b, b}, nil},
		{"exact", 0, []float64{a, a, b, b, b}, []int{2}},
		{"exact, without any", 0, []float64{a, a, a}, nil},
		{"one member", 0, []float64{a}, nil},
		{"nothing", 0, nil, nil},
	} {
		wrong := 0
		for seed := range uint64(100) {
			if !slices.Equal(Changes(noisy(rand.New(rand.NewPCG(seed, 0)), tt.noise, tt.levels...)), tt.want) {
				wrong++
			}
		}
		if wrong > 5 {
			t.Errorf("%s: %d of 100 series are misread", tt.name, wrong)
		}
	}
}

// What PELT leaves out of account is never the best.
func TestChangesAreTheBest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var levels []float64
		level := 1000.0
		for range 8 {
			if r.IntN(3) == 0 {
				level += 20 * r.NormFloat64()
			}
			levels = append(levels, level)
		}
		series := noisy(r, 5, levels...)
		got, want := Changes(series), bestChanges(series)
		if !slices.Equal(got, want) {
			t.Errorf("%v: %v, want %v", series, got, want)
		}
	}
}

// bestChanges tries all ways to part a series.
func bestChanges(series [][]float64) (best []int) {
	var all []float64
	within, free := 0.0, 0.0
	ss := func(values []float64) (total float64) {
		mean := 0.0
		for _, v := range values {
			mean += v / float64(len(values))
		}
		for _, v := range values {
			total += (v - mean) * (v - mean)
		}
		return total
	}
	for _, values := range series {
		all = append(all, values...)
		within, free = within+ss(values), free+float64(len(values)-1)
	}
	least := math.Inf(1)
	for mask := range 1 << (len(series) - 1) {
		var changes []int
		for i := 1; i < len(series); i++ {
			if mask>>(i-1)&1 == 1 {
				changes = append(changes, i)
			}
		}
		cost := 3 * math.Log(float64(len(all))) * float64(len(changes))
		for i, from := range append([]int{0}, changes...) {
			to := append(changes, len(series))[i]
			cost += ss(slices.Concat(series[from:to]...)) / (within / free)
		}
		if cost < least {
			least, best = cost, changes
		}
	}
	return best
}
