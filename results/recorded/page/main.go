// Page writes README.md and the pictures in it, by the recorded files: into the
// directory that it is given. So it does front.svg, the picture of the project's own
// README, which is the first of the bars.
package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"zombench/results"
	"zombench/results/figure"
	"zombench/results/recorded"
	"zombench/results/report"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: page DIRECTORY")
	}
	set, err := recorded.Load()
	if err == nil {
		err = write(os.Args[1], set)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// preface stands before what the files say.
const preface = `# What zombies cost on each kernel

Every file here is a run of ` + "`zombench run`" + ` or ` + "`zombench kernels run`" + ` as it was written; its
head says of which version, on which kernel and how. This page is written from them by
` + "`make recorded`" + `, and a test checks that it is.

`

// write writes the page of a set.
func write(dir string, set *results.Set) error {
	doc, err := report.Kernels(set)
	if err != nil {
		return err
	}
	page := bytes.NewBufferString(preface)
	draw := func(name string, figures []figure.Figure) error {
		return results.WriteFile(filepath.Join(dir, name+".svg"), func(w io.Writer) error { return figure.WriteSVG(w, figures) })
	}
	for _, name := range []string{figure.NameTimeline, figure.NameBars} {
		figures := doc.Figures(name)
		if err := draw(name, figures); err != nil {
			return err
		}
		if name == figure.NameBars {
			if err := draw("front", figures[:1]); err != nil {
				return err
			}
		}
		fmt.Fprintf(page, "![%s](%s.svg)\n\n%s\n\n", figures[0].Title, name, figures[0].Caption)
	}
	if err := doc.Write(page, report.Markdown); err != nil {
		return err
	}
	return results.WriteFile(filepath.Join(dir, "README.md"), func(w io.Writer) error { _, err := page.WriteTo(w); return err })
}
