package exporter_test

import (
	"fmt"
	"net/http/httptest"
	"strings"

	"zombench/measure/watch"
	"zombench/measure/watch/exporter"
)

// The latest report is what is served: here of cgroups that zombies keep in memory.
func ExampleExporter() {
	e := exporter.New()
	e.Update(&watch.Report{Source: watch.ProcScan, Removed: 3})
	handler, err := e.Handler()
	if err != nil {
		fmt.Println(err)
		return
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	fmt.Println(strings.Contains(answer.Body.String(), "\nzombie_removed_cgroups 3\n"))
	// Output: true
}
