package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"zombench/bench"
	"zombench/bench/cgroup"
	"zombench/measure"
	"zombench/measure/limits"
)

func newDoctor() *cobra.Command {
	var zombied string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Tell what can be measured here, and how to enable the rest",
		Long: `Doctor tries every instrument, and says of each that is missing why it is and
what enables it. It also says how large an army this machine would carry, and
which limit would be met first.

Exit status: 0 if zombench run works here, even with some instruments missing;
1 if it does not.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := bufio.NewWriter(cmd.OutOrStdout())
			err := doctor(out, measure.Host(), zombied)
			return errors.Join(err, out.Flush())
		},
	}
	cmd.Flags().StringVar(&zombied, "zombied", "", "path of the daemon (default: beside zombench, then on PATH)")
	return cmd
}

func doctor(w io.Writer, fs measure.FS, zombied string) error {
	machine, err := fs.Machine()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Linux %s, %s, %d CPUs, pages of %d bytes\n\n", machine.Kernel, machine.GOARCH, machine.CPUs, machine.PageSize)

	daemonPath, daemonErr := findZombied(zombied)
	diagnose(w, "zombied", daemonPath, daemonErr, "")

	place, placeErr := cgroup.Find(fs)
	kind := ""
	if place != nil {
		defer place.Close()
		kind = fmt.Sprintf("%s, below %s", place.Kind(), strings.Join(place.Dirs(), " and "))
	}
	diagnose(w, "fresh cgroups", kind, placeErr, "")

	able := 0
	for _, i := range bench.Probe(fs, machine, place, placeErr).List {
		detail := strings.Join(i.Units, ", ")
		diagnose(w, i.Name, detail, i.Err, i.Remedy)
		if i.Err == nil && len(i.Units) > 0 {
			able++
		}
	}

	fmt.Fprintln(w)
	each, err := findCost("", machine)
	if err != nil {
		return err
	}
	if err := room(w, fs, each); err != nil {
		return err
	}
	switch {
	case daemonErr != nil:
		return daemonErr
	case able == 0:
		return fmt.Errorf("nothing can be measured here: no instrument can be read")
	}
	return nil
}

// diagnose prints one finding.
func diagnose(w io.Writer, what, detail string, err error, remedy string) {
	if err == nil {
		fmt.Fprintf(w, "ok       %-34s %s\n", what, detail)
		return
	}
	fmt.Fprintf(w, "MISSING  %-34s %v\n", what, err)
	if remedy != "" {
		fmt.Fprintf(w, "         %-34s remedy: %s\n", "", remedy)
	}
}

// room prints the limits that an army of this program meets here, the nearest
// first.
func room(w io.Writer, fs measure.FS, each cost) error {
	found, err := headroom(fs, each.query(limits.Query{ExtraTasks: bench.SpareTasks}))
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "an army meets these limits, the nearest first:")
	for _, l := range found {
		if l.Bounded() {
			fmt.Fprintf(w, "  %-20s room for %d zombies (%s)\n", l.Name, l.Fits, place(l.Limit))
		}
	}
	return nil
}
