package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"zombench/results"
	"zombench/results/figure"
	"zombench/results/report"
)

// plotFlags say where to draw what.
type plotFlags struct {
	path    string
	figures []string
}

func (p *plotFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&p.path, "plot", "", "draw the figures into this `FILE`, .svg or .png")
	flags.StringSliceVar(&p.figures, "figure", nil, fmt.Sprintf("draw only these `NAMES`: %s", strings.Join(figure.Names(), ", ")))
}

// check reports flags that would fail only after the measurement.
func (p *plotFlags) check() error {
	for _, name := range p.figures {
		if !slices.Contains(figure.Names(), name) {
			return usageErrorf("--figure: unknown figure %q: want %s", name, strings.Join(figure.Names(), ", "))
		}
	}
	switch {
	case p.path == "" && len(p.figures) > 0:
		return usageErrorf("--figure requires --plot FILE")
	case p.path == "":
		return nil
	}
	if ext := strings.ToLower(filepath.Ext(p.path)); ext != ".svg" && ext != ".png" {
		return usageErrorf("--plot: %s must end in .svg or .png", p.path)
	}
	return checkDir(p.path)
}

// draw draws the figures of a document.
func (p *plotFlags) draw(d report.Doc) error {
	if p.path == "" {
		return nil
	}
	write := figure.WriteSVG
	if strings.EqualFold(filepath.Ext(p.path), ".png") {
		write = figure.WritePNG
	}
	err := results.WriteFile(p.path, func(w io.Writer) error { return write(w, d.Figures(p.figures...)) })
	if err != nil {
		return fmt.Errorf("--plot %s: %w", p.path, err)
	}
	return nil
}

// checkDir reports that a file cannot be written because its directory is not
// there.
func checkDir(path string) error {
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	} else if !info.IsDir() {
		return fmt.Errorf("cannot write %s: %s is not a directory", path, dir)
	}
	return nil
}
