package parent_test

import (
	"encoding/json"
	"fmt"

	"zombench/bench/reaping/parent"
)

// An order is one line on the parent's standard input.
func ExampleOrder() {
	line, err := json.Marshal(parent.Order{Do: parent.Collect, How: parent.Any})
	fmt.Println(string(line), err)
	// Output: {"do":"collect","how":"any"} <nil>
}
