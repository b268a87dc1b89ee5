package limits

import (
	"math"
	"math/big"
	"testing"
	"time"
)

func TestParseRate(t *testing.T) {
	for s, want := range map[string]Rate{
		"26/5m":     {26, 5 * time.Minute},
		"3/h":       {3, time.Hour},
		"1/d":       {1, 24 * time.Hour},
		"1000/7d":   {1000, 168 * time.Hour},
		"5/1h30m":   {5, 90 * time.Minute},
		"9/1.5s":    {9, 1500 * time.Millisecond},
		"1/ns":      {1, 1},
		"26/5m ":    {},
		"26":        {},
		"":          {},
		"/5m":       {},
		"0/5m":      {},
		"-1/5m":     {},
		"1/0s":      {},
		"1/-5m":     {},
		"1/":        {},
		"1/5":       {},
		"1/d5":      {},
		"1/99999d":  {},
		"1/5m/2":    {},
		"1.5/5m":    {},
		"1e3/5m":    {},
		"many/hour": {},
	} {
		got, err := ParseRate(s)
		if got != want || (err != nil) != (want == Rate{}) {
			t.Errorf("%q: %v, %v; want %v", s, got, err, want)
		}
	}
}

func TestRateString(t *testing.T) {
	for s, want := range map[string]string{
		"26/5m": "26 every 5m", "3/h": "3 every 1h", "1/90s": "1 every 1m30s", "1/10s": "1 every 10s", "7/2d": "7 every 48h", "7/70m": "7 every 1h10m", "1/10m": "1 every 10m",
	} {
		r, err := ParseRate(s)
		if got := r.String(); got != want || err != nil {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

// The example of the issue trackers: a pids.max of 18 638, met by 26 zombies
// every 5 minutes "in 2.6 days". From an empty cgroup the arithmetic says 2.49
// days, and tasks that were there before make it less; the 26 must have been
// rounded up from what was 24.9 on the average, or a few zombies were collected.
func TestRateOfTheIssueTrackers(t *testing.T) {
	r := Rate{26, 5 * time.Minute}
	got, ok := r.After(18638)
	// 18638 / 26 * 300 s = 215 053 + 11/13 s
	want := 215053*time.Second + 11*time.Second/13
	if !ok || got != want {
		t.Errorf("18 638 zombies take %v, %v; want %v", got, ok, want)
	}
	if days := got.Hours() / 24; math.Abs(days-2.489) > 0.0005 {
		t.Errorf("that is %.4f days, want 2.489", days)
	}
	// What else 2.6 days would need.
	reported := 2.6 * 24 * 60 / 5 // spans of 5 minutes
	if perSpan := 18638 / reported; math.Abs(perSpan-24.89) > 0.005 {
		t.Errorf("2.6 days are %.3f zombies every 5 minutes, want 24.89", perSpan)
	}
	if n := 26 * reported; math.Abs(n-19468.8) > 0.01 {
		t.Errorf("26 every 5 minutes for 2.6 days are %.1f zombies, want 19 468.8", n)
	}
}

// After is exact where floating point is not, and knows when it cannot tell.
func TestRateAfter(t *testing.T) {
	for _, r := range []Rate{{26, 5 * time.Minute}, {1, 1}, {3, 7}, {math.MaxInt64, time.Hour}, {7, math.MaxInt64}} {
		for _, n := range []uint64{0, 1, 25, 26, 27, 1e9 + 7, math.MaxInt64, math.MaxUint64} {
			want := new(big.Int).Mul(new(big.Int).SetUint64(n), big.NewInt(int64(r.Per)))
			want.Div(want, new(big.Int).SetUint64(r.Zombies))
			got, ok := r.After(n)
			if ok != want.IsInt64() || ok && int64(got) != want.Int64() {
				t.Errorf("%d at %s: %d, %v; want %v", n, r, got, ok, want)
			}
		}
	}
}
