package deploy_test

import (
	"fmt"
	"strings"

	"zombench/measure/watch/deploy"
)

func ExampleFile() {
	for _, name := range deploy.Names() {
		text, err := deploy.File(name)
		fmt.Println(name, strings.Contains(text, "zombench"), err)
	}
	// Output:
	// alerts true <nil>
	// dashboard true <nil>
	// unit true <nil>
}
