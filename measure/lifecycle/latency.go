package lifecycle

import (
	"math"
	"time"
)

// Buckets of a histogram: 8 of 1 µs each, then 8 of equal width in each power of
// two, up to 12 days. So none is wider than an eighth of what it holds.
const (
	perOctave = 8
	octaves   = 37
	buckets   = perOctave * (octaves + 1)
)

// A Latency is how long the dead waited to be reaped.
type Latency struct {
	Count   uint64
	Sum     time.Duration
	Longest time.Duration
	Buckets [buckets]uint32 // see Bucket
}

// Bucket returns what a bucket holds: latencies from lo on, below hi. The last
// one holds all that are longer, too.
func Bucket(i int) (lo, hi time.Duration) {
	edge := func(i int) time.Duration {
		if i < perOctave {
			return time.Duration(i) * time.Microsecond
		}
		return time.Duration(uint64(perOctave+i%perOctave)<<(i/perOctave-1)) * time.Microsecond
	}
	return edge(i), edge(i + 1)
}

// Quantile returns bounds of a quantile: the bucket that the value is in, cut off
// at the longest. Both are 0 if nothing was counted.
func (l *Latency) Quantile(q float64) (lo, hi time.Duration) {
	var n uint64
	for _, b := range l.Buckets {
		n += uint64(b)
	}
	rank := uint64(math.Ceil(q * float64(n)))
	var sum uint64
	for i, b := range l.Buckets {
		if sum += uint64(b); sum >= max(rank, 1) {
			lo, hi = Bucket(i)
			return min(lo, l.Longest), min(hi, l.Longest)
		}
	}
	return 0, 0
}

// Sub returns what came since an earlier reading. The longest of all of it stays.
func (l Latency) Sub(earlier Latency) Latency {
	l.Count -= earlier.Count
	l.Sum -= earlier.Sum
	for i := range l.Buckets {
		l.Buckets[i] -= earlier.Buckets[i]
	}
	return l
}

func nanoseconds(n uint64) time.Duration { return time.Duration(min(n, math.MaxInt64)) }
