package initramfs_test

import (
	"bytes"
	"fmt"

	"zombench/bench/vm/initramfs"
)

// The directories that files need come by themselves, and the same files give the
// same bytes.
func ExamplePack() {
	files := []initramfs.File{
		{Path: "/etc/hostname", Data: []byte("guest\n")},
		{Path: "/init", Link: "/bin/init"},
	}
	var a, b bytes.Buffer
	err := initramfs.Pack(&a, files)
	fmt.Println(err, initramfs.Pack(&b, files))
	fmt.Println(bytes.HasPrefix(a.Bytes(), []byte("070701")), bytes.Equal(a.Bytes(), b.Bytes()))
	// Output:
	// <nil> <nil>
	// true true
}
