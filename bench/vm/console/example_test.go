package console_test

import (
	"bytes"
	"fmt"
	"strings"

	"zombench/bench/vm/console"
)

// What the guest prints comes through whole, whatever else is on the console.
func Example() {
	var serial bytes.Buffer
	w, _ := console.NewWriter(&serial)
	fmt.Fprintln(w.Stdout(), "BenchmarkZombies 500 1 pids/zombie")
	_ = w.End(0)

	d := console.NewDecoder(nil)
	fmt.Fprint(d, strings.Replace(serial.String(), "\n", "\n[    2.7] kernel: a message\n", 1))
	result, err := d.Result()
	fmt.Printf("%s%d %v\n", result.Stdout, result.Status, err)
	// Output:
	// BenchmarkZombies 500 1 pids/zombie
	// 0 <nil>
}
