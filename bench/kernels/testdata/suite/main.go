// Suite is a guest that runs test binaries, and what they expect around them: cat,
// sleep, and a go command that has built everything before.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"zombench/bench/vm/guest"
)

func main() {
	if guest.IsInit() {
		guest.Main()
	}
	run, ok := map[string]func([]string) error{"suite": tests, "go": build, "cat": cat, "sleep": sleep}[filepath.Base(os.Args[0])]
	if !ok {
		run = func([]string) error { return fmt.Errorf("%s: no such program", os.Args[0]) }
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// tests runs the test binaries DIR/test, each in its DIR.
func tests(dirs []string) error {
	var errs error
	for _, dir := range dirs {
		cmd := exec.Command(filepath.Join(dir, "test"), "-test.v", "-test.short", "-test.timeout=4m")
		cmd.Dir = dir
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		fmt.Fprintf(os.Stderr, "=== PACKAGE %s\n", dir)
		if err := cmd.Run(); err != nil {
			errs = errors.Join(errs, fmt.Errorf("%s: %w", dir, err))
		}
	}
	return errs
}

// cat copies its standard input, and knows no files.
func cat([]string) error {
	_, err := io.Copy(os.Stdout, os.Stdin)
	return err
}

// sleep sleeps for some seconds.
func sleep(args []string) error {
	d, err := time.ParseDuration(strings.Join(args, "") + "s")
	time.Sleep(d)
	return err
}

// build is `go build [FLAGS] -o PATH PACKAGE`: the package's program lies in
// /bin.
func build(args []string) error {
	for i, arg := range args {
		if arg == "-o" && i+2 < len(args) {
			from, err := os.Open(filepath.Join("/bin", filepath.Base(args[len(args)-1])))
			if err != nil {
				return err
			}
			to, err := os.OpenFile(args[i+1], os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
			if err != nil {
				return err
			}
			_, err = io.Copy(to, from)
			return errors.Join(err, to.Close())
		}
	}
	return fmt.Errorf("this go can only build -o PATH PACKAGE, not %q", args)
}
