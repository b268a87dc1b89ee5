package results

import "slices"

// A Param is one /key=value of a benchmark name, or one `key: value` of a
// file's configuration. In a name an empty key makes it a bare /value.
type Param struct{ Key, Value string }

// Lookup returns the value of the first parameter of that key, "" if there is
// none.
func Lookup(params []Param, key string) string {
	p, _ := find(params, func(p Param) bool { return p.Key == key })
	return p.Value
}

// LookupAll looks several keys up.
func LookupAll(params []Param, keys []string) (values []string) {
	for _, key := range keys {
		values = append(values, Lookup(params, key))
	}
	return values
}

// find returns the first that is wanted; ok is false if there is none.
func find[T any](all []T, wanted func(T) bool) (one T, ok bool) {
	if i := slices.IndexFunc(all, wanted); i >= 0 {
		return all[i], true
	}
	return one, false
}
