package tempdir_test

import (
	"fmt"
	"os"

	"zombench/bench/tempdir"
)

// The guard that Make starts is this program once more: its main dispatches
// tempdir.Program.
func ExampleMake() {
	dir, err := tempdir.Make("example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = os.Stat(dir.Path)
	fmt.Println(err == nil, dir.Close())
	_, err = os.Stat(dir.Path)
	fmt.Println(os.IsNotExist(err))
	// Output:
	// true <nil>
	// true
}
