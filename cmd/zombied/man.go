//go:build man

package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra/doc"
)

// Built with the tag man, zombied writes its manual pages into a directory. It
// never has that in it otherwise: guests unpack the program.
func main() {
	root := rootCommand()
	root.Long, root.DisableAutoGenTag = rootHelp+"\n"+rootDetails, true
	if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "zombied", Manual: "zombench"}, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "zombied: writing manual pages:", err)
		os.Exit(exitFailed)
	}
}
