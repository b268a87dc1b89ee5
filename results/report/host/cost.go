package host

import (
	"path/filepath"

	"zombench/measure"
	"zombench/results/recorded"
)

// LocalResults is where make bench keeps results.
const LocalResults = "results/local"

// FindCost returns what a zombie takes on a machine: by the result file from, if one
// is named; otherwise by what was measured on its kernel, here or by a recorded run,
// or on the nearest recorded one.
func FindCost(fs measure.FS, from string) (recorded.Cost, error) {
	m, err := fs.Machine()
	if err != nil {
		return recorded.Cost{}, err
	}
	local := filepath.Join(LocalResults, m.Kernel+".txt")
	return recorded.Find(from, local, recorded.System{Kernel: m.Kernel, GOARCH: m.GOARCH, PageSize: m.PageSize})
}
