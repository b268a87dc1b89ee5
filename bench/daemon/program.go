package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Program asks a zombied what its children execute on this machine: own, or a path
// with the sum of the file. program is what is asked for, as in Options. note is
// why it is something else; "" if it is not.
func Program(ctx context.Context, binary, program string) (name, note string, err error) {
	args := []string{"program"}
	if program != "" {
		args = append(args, "--program", program)
	}
	var stderr strings.Builder
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	said := strings.TrimPrefix(strings.TrimSpace(stderr.String()), "zombied: ")
	if err != nil {
		if said != "" {
			err = errors.New(said)
		}
		return "", "", fmt.Errorf("asking %s what its children execute: %w", binary, err)
	}
	return strings.TrimSpace(string(out)), said, nil
}

// Find finds zombied: where a path says, else beside this program, else on PATH.
func Find(path string) (string, error) {
	if path == "" {
		if self, err := os.Executable(); err == nil {
			beside := filepath.Join(filepath.Dir(self), "zombied")
			if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return beside, nil
			}
		}
	}
	full, err := exec.LookPath(cmp.Or(path, "zombied"))
	switch {
	case err != nil && path == "":
		return "", errors.New("no zombied beside zombench or on PATH; build it (make build), or give its path")
	case err != nil:
		return "", err
	}
	return filepath.Abs(full)
}
