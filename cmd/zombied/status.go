package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zombench/cmd/zombied/internal/pidfile"
	"zombench/measure"
)

// A status is what the pid file and /proc say of a daemon. The daemon itself is
// not asked.
type status struct {
	Running bool       `json:"running"`
	PID     int        `json:"pid,omitempty"`
	PIDFile string     `json:"pidfile"`
	Stale   bool       `json:"stale,omitempty"`         // not running, but the file is there
	Since   *time.Time `json:"since,omitempty"`         // when the daemon started
	Zombies int        `json:"zombies"`                 // that there are now
	Living  int        `json:"living"`                  // children that still live
	Stand   *time.Time `json:"zombies_since,omitempty"` // when the oldest of the zombies was started
}

func statusCommand() *cobra.Command {
	var given string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Report whether the daemon runs, and how many zombies it has",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := pidfilePath(given)
			if err != nil {
				return err
			}
			s, err := readStatus(measure.Host(), path)
			if err != nil {
				return &exitError{statusUnknown, err}
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				err = enc.Encode(s)
			} else {
				err = s.print(cmd.OutOrStdout())
			}
			switch {
			case err != nil:
				return &exitError{statusUnknown, err}
			case s.Stale:
				return &exitError{status: statusDead}
			case !s.Running:
				return &exitError{status: statusNotRunning}
			}
			return nil
		},
	}
	pidfileFlag(cmd, &given)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (s status) print(w io.Writer) error {
	var b strings.Builder
	switch {
	case s.Stale:
		fmt.Fprintf(&b, "zombied is not running, but %s was left behind\n", s.PIDFile)
	case !s.Running:
		fmt.Fprintln(&b, "zombied is not running")
	default:
		fmt.Fprintf(&b, "zombied is running, pid %d, since %s\n", s.PID, clock(*s.Since))
		if s.Stand != nil {
			fmt.Fprintf(&b, "%d zombies, the oldest since %s\n", s.Zombies, clock(*s.Stand))
		} else {
			fmt.Fprintln(&b, "no zombies")
		}
		if s.Living > 0 {
			fmt.Fprintf(&b, "%d children still running\n", s.Living)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// clock prints a time as a person reads it.
func clock(t time.Time) string { return t.Format("2006-01-02 15:04:05") }

// readStatus finds out about the daemon that holds the pid file at path.
func readStatus(kernel measure.FS, path string) (status, error) {
	s := status{PIDFile: path}
	pid, held, err := pidfile.Holder(path)
	if err != nil {
		return s, err
	}
	if !held {
		s.Stale = stale(path)
		return s, nil
	}
	if pid == 0 {
		return s, fmt.Errorf("the daemon that holds %s is in another pid namespace", path)
	}
	daemon, err := kernel.Process(pid)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil // ended this moment
	}
	if err != nil {
		return s, err
	}
	boot, err := kernel.BootTime()
	if err != nil {
		return s, err
	}
	since := boot.Add(daemon.Started())
	s.Running, s.PID, s.Since = true, pid, &since
	return s, s.countChildren(kernel, boot)
}

// countChildren counts the daemon's children by whether they are zombies. Some
// may be reaped while it does.
func (s *status) countChildren(kernel measure.FS, boot time.Time) error {
	children, err := kernel.Children(s.PID)
	if err != nil {
		return err
	}
	for _, pid := range children {
		p, err := kernel.Process(pid)
		switch {
		case err != nil:
		case !p.Zombie():
			s.Living++
		default:
			s.Zombies++
			if start := boot.Add(p.Started()); s.Stand == nil || start.Before(*s.Stand) {
				s.Stand = &start
			}
		}
	}
	return nil
}
