package stats

import "slices"

// Together puts items together that have a key in common, in the order in which the
// keys first appear.
func Together[K comparable, T any](items []T, key func(T) K) (all [][]T) {
	at := make(map[K]int)
	for _, item := range items {
		k := key(item)
		i, ok := at[k]
		if !ok {
			i = len(all)
			at[k] = i
			all = append(all, nil)
		}
		all[i] = append(all[i], item)
	}
	return all
}

// AddNew appends to a list what it does not have.
func AddNew[T comparable](list []T, items ...T) []T {
	for _, item := range items {
		if !slices.Contains(list, item) {
			list = append(list, item)
		}
	}
	return list
}
