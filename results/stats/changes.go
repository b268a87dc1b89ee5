package stats

import "math"

// Changes finds where the level of a series changes, given the measurements of each of
// its members: the numbers of the members that begin a new level. Those of one member
// say how much chance there is.
//
// It is PELT (R. Killick, P. Fearnhead, I. Eckley, Optimal detection of changepoints
// with a linear computational cost, JASA 107, 2012, 1590-1598) for changes of the mean
// under normal noise. A change costs three times the logarithm of the length, as its
// place and its height have to be paid for (N. Zhang, D. Siegmund, A modified Bayes
// information criterion, Biometrics 63, 2007, 22-32).
func Changes(series [][]float64) []int {
	n := len(series)
	// Sums over the members before each, from which the cost of any segment follows.
	count, sum, squares := make([]float64, n+1), make([]float64, n+1), make([]float64, n+1)
	within, free := 0.0, 0.0
	var offset float64 // for the precision of the squares
	if n > 0 && len(series[0]) > 0 {
		offset = series[0][0]
	}
	for i, values := range series {
		count[i+1], sum[i+1], squares[i+1] = count[i], sum[i], squares[i]
		for _, v := range values {
			v -= offset
			count[i+1]++
			sum[i+1] += v
			squares[i+1] += v * v
		}
		cost := func() float64 { return spread(count[i+1]-count[i], sum[i+1]-sum[i], squares[i+1]-squares[i]) }
		within, free = within+cost(), free+max(0, float64(len(values))-1)
	}
	// What is exact has the noise of its last digit.
	variance := math.Pow(math.Abs(offset)*exactNoise, 2)
	if free > 0 {
		variance = max(variance, within/free)
	}
	if variance == 0 {
		variance = 1
	}
	cost := func(from, to int) float64 {
		return spread(count[to]-count[from], sum[to]-sum[from], squares[to]-squares[from]) / variance
	}
	penalty := 3 * math.Log(max(count[n], 2))
	best, last := make([]float64, n+1), make([]int, n+1)
	best[0] = -penalty
	candidates := []int{0}
	for to := 1; to <= n; to++ {
		best[to] = math.Inf(1)
		for _, from := range candidates {
			if c := best[from] + cost(from, to) + penalty; c < best[to] {
				best[to], last[to] = c, from
			}
		}
		kept := candidates[:0]
		for _, from := range candidates {
			if best[from]+cost(from, to) <= best[to] { // else it is never the best again
				kept = append(kept, from)
			}
		}
		candidates = append(kept, to)
	}
	var changes []int
	for at := last[n]; at > 0; at = last[at] {
		changes = append([]int{at}, changes...)
	}
	return changes
}

// exactNoise is the least noise, of a level, that a change has to rise above.
const exactNoise = 1e-4

// spread is the sum of the squares of n values about their mean.
func spread(n, sum, squares float64) float64 {
	if n == 0 {
		return 0
	}
	return max(0, squares-sum*sum/n)
}
