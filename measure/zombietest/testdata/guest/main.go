// Guest is the init of a guest that runs test binaries.
package main

import (
	"fmt"
	"os"
	"os/exec"

	"zombench/bench/vm/guest"
)

func main() {
	if guest.IsInit() {
		guest.Main()
	}
	status := 0
	for _, test := range os.Args[1:] {
		cmd := exec.Command(test, "-test.v", "-test.short", "-test.timeout=400s")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
		if err := cmd.Run(); err != nil {
			fmt.Println(test, err)
			status = 1
		}
	}
	os.Exit(status)
}
