// Page writes README.md and the pictures in it, and dress/README.md, by the recorded
// files: into the directory that it is given. So it does front.svg, the picture of the
// project's own README, which is the first of the bars.
package main

import (
	"bytes"
	"errors"
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
	all, err := load(os.Args[1])
	if err == nil {
		err = all.write(os.Args[1])
	}
	if err != nil {
		log.Fatal(err)
	}
}

// preface stands before what the files say.
const preface = `# What zombies cost on each kernel

Every file here is a run of ` + "`zombench run`" + ` or ` + "`zombench kernels run`" + ` as it was written; its
head says of which version, on which kernel and how. This page is written from them by
` + "`make recorded`" + `, and a test checks that it is. What zombies keep alive besides
themselves has [a page of its own](dress/README.md).

`

// A record is all that was recorded.
type record struct {
	kernels *results.Set // what zombies hold
	options *results.Set // the same on one kernel with several options
	dress   *results.Set // what they keep alive besides
}

func load(dir string) (r record, err error) {
	kernels, err := recorded.Load()
	options, errs1 := results.ReadFS(os.DirFS(dir), "options/*.txt")
	dress, errs2 := results.ReadFS(os.DirFS(dir), "dress/*.txt")
	return record{kernels, options, dress}, errors.Join(append(append(errs1, errs2...), err)...)
}

// write writes the pages.
func (all record) write(dir string) error {
	return errors.Join(writeKernels(dir, all.kernels, all.options), writeDress(filepath.Join(dir, "dress"), all.dress))
}

// writeKernels writes the page of the kernels, with the pictures.
func writeKernels(dir string, set, options *results.Set) error {
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
	r, err := report.New(options, report.Query{})
	if err != nil {
		return err
	}
	doc.Sections = append(doc.Sections, r.Options()...)
	if err := doc.Write(page, report.Markdown); err != nil {
		return err
	}
	return results.WriteFile(filepath.Join(dir, "README.md"), func(w io.Writer) error { _, err := page.WriteTo(w); return err })
}
