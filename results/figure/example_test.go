package figure_test

import (
	"bytes"
	"fmt"

	"zombench/results/figure"
)

// A figure is made from numbers with names and drawn when it is written.
func ExampleBars() {
	bars := figure.Bars([]figure.Bar{
		{Name: "Linux 6.1/amd64", Bytes: 11500},
		{Name: "Linux 6.1/s390x", Bytes: 8200},
	})
	var svg bytes.Buffer
	err := figure.WriteSVG(&svg, []figure.Figure{*bars})
	fmt.Println(bars.Title, bytes.Contains(svg.Bytes(), []byte("<svg")), err)
	// Output: What one zombie holds true <nil>
}
