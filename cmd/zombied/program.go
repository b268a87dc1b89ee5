package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zombench/cmd/zombied/internal/program"
)

func programFlag(flags *pflag.FlagSet, value *string) {
	flags.StringVar(value, "program", program.OwnName, "what children execute: own, a program of two system calls that leaves nothing behind, or the `PATH` of a program that exits by itself")
}

func programCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "program",
		Short: "Print what children execute on this machine",
		Long: `Program prints what children execute: own, for zombied's own program, or the path of
another with the beginning of its SHA-256. If own cannot be executed, children execute
true from PATH, with a notice.

Zombies of some programs hold more memory than those of others: a program linked
statically against glibc looks at /proc/self/exe, so its zombie keeps an inode and
dentries of /proc.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := program.Find(name)
			if err != nil {
				return err
			}
			if p.Note != "" {
				fmt.Fprintf(cmd.ErrOrStderr(), "zombied: %s\n", p.Note)
			}
			fmt.Fprintln(cmd.OutOrStdout(), p.Name)
			return nil
		},
	}
	programFlag(cmd.Flags(), &name)
	_ = cmd.MarkFlagFilename("program")
	return cmd
}
