package shares

import "math"

// doubt is how far from a whole number a growth is that may be of the next one.
const doubt = 0.1

// exact is what part of the charge objects may miss that make it up: it is counted
// by the page.
const exact = 0.002

// wholes returns how many objects of some caches a zombie holds by the charge of
// its cgroup: of those whose growth is far from a whole number, if with the numbers
// next to it all objects together make up the charge, and without do not.
func (e Evidence) wholes(growth []Growth) map[string]float64 {
	rest := e.Charge
	chosen := make(map[string]float64)
	var doubtful []Growth
	for _, g := range growth {
		if g.Uncharged {
			continue
		}
		own := whole(g.PerZombie)
		_, general := kmalloc(g.Cache)
		if n, ok := e.Traced[g.Cache]; ok {
			own = n
		} else if g.Reclaimable || general {
			continue // it holds these for open files alone; and memcg's arrays
		} else if math.Abs(g.PerZombie-own) > doubt && g.PerZombie > 0 {
			doubtful = append(doubtful, g)
		}
		chosen[g.Cache] = own
		rest -= own * float64(g.Size+e.Pointer)
	}
	if e.Charge <= 0 || math.Abs(rest) < exact*e.Charge {
		return nil
	}
	for range doubtful {
		best, with := Growth{}, 0.0
		for _, g := range doubtful {
			own := chosen[g.Cache]
			if after := rest + (own-g.otherWhole(own))*float64(g.Size+e.Pointer); math.Abs(after) < math.Abs(rest) && (best.Cache == "" || math.Abs(after) < math.Abs(with)) {
				best, with = g, after
			}
		}
		if best.Cache == "" {
			break
		}
		chosen[best.Cache] = best.otherWhole(chosen[best.Cache])
		if rest = with; math.Abs(rest) < exact*e.Charge {
			return chosen
		}
	}
	return nil
}

// otherWhole returns the whole number on the other side of the growth than own is.
func (g Growth) otherWhole(own float64) float64 {
	return math.Floor(g.PerZombie) + math.Ceil(g.PerZombie) - own
}
