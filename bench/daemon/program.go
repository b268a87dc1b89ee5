package daemon

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
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
