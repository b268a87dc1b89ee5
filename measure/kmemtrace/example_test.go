package kmemtrace_test

import (
	"fmt"
	"os"
	"path/filepath"

	"zombench/measure"
	"zombench/measure/kmemtrace"
)

// A return address leads back into the function that called the allocator. The file
// stands in for /proc/kallsyms of a running kernel.
func ExampleSymbols_Caller() {
	proc, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(proc)
	_ = os.WriteFile(filepath.Join(proc, "kallsyms"), []byte("ffffffff81000000 T prepare_creds\nffffffff81000200 T copy_process\n"), 0o666)
	symbols, err := kmemtrace.ReadSymbols(measure.FS{Proc: proc})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(symbols.Caller(0xffffffff81000200), symbols.Function(0xffffffff81000200))
	// Output: prepare_creds copy_process
}
