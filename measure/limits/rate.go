package limits

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// A Rate is how many zombies are left behind in a time.
type Rate struct {
	Zombies uint64        // 1 or more
	Per     time.Duration // more than 0
}

// ParseRate parses "26/5m", "3/h", "1000/7d": a number, and a time.
func ParseRate(s string) (Rate, error) {
	count, per, ok := strings.Cut(s, "/")
	n, err := strconv.ParseUint(count, 10, 63)
	if !ok || err != nil || n == 0 {
		return Rate{}, fmt.Errorf("%q: want zombies in a time, such as 26/5m or 3/h", s)
	}
	d, err := parseTime(per)
	if err != nil || d <= 0 {
		return Rate{}, fmt.Errorf("%q: %q is not a time such as 5m, h or 2d", s, per)
	}
	return Rate{n, d}, nil
}

// parseTime is time.ParseDuration that knows days, and takes a unit alone for
// one of it.
func parseTime(s string) (time.Duration, error) {
	if s != "" && s[0] >= 'a' && s[0] <= 'z' {
		s = "1" + s
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(s)
}

func (r Rate) String() string {
	per := r.Per.String()
	for _, zero := range []string{"m0s", "h0m"} { // 5m0s is 5m
		if strings.HasSuffix(per, zero) {
			per = per[:len(per)-2]
		}
	}
	return fmt.Sprintf("%d every %s", r.Zombies, per)
}

// After returns how long it takes until n zombies are left: n * Per / Zombies,
// exactly, rounded down to a nanosecond. It is false if that is longer than a
// Duration can hold, 292 years.
func (r Rate) After(n uint64) (time.Duration, bool) {
	hi, lo := bits.Mul64(n, uint64(r.Per))
	if hi >= r.Zombies {
		return 0, false
	}
	ns, _ := bits.Div64(hi, lo, r.Zombies)
	return time.Duration(ns), ns <= math.MaxInt64
}
