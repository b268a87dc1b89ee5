package guest_test

import (
	"fmt"

	"zombench/bench/vm"
	"zombench/bench/vm/guest"
)

// The host puts the configuration where the guest's init looks for it.
func ExampleConfig() {
	files, err := vm.GuestFiles("my-init", guest.Config{Args: []string{"/bin/true"}})
	for _, f := range files {
		fmt.Printf("%s %q %q\n", f.Path, f.Source, f.Data)
	}
	fmt.Println(err, guest.IsInit())
	// Output:
	// /init "my-init" ""
	// /guest.json "" "{\"args\":[\"/bin/true\"]}"
	// /dev/null "" ""
	// <nil> false
}
