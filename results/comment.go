package results

import (
	"slices"
	"strings"
)

// What comments of a fixed form begin with, besides readings.
const (
	controlMark = "# control "
	brokenMark  = "# broken: "
	noisyMark   = "# noisy: "
	endsMark    = "# ends: "
	siteMark    = "# site "
	watcherMark = "# watcher "
	cacheMark   = "# cache "
	layoutMark  = "# layout "
	kernelMark  = "# kernel: "
	aboutMark   = "# about "
	unitMark    = "# unit "
	runMark     = "# run "
	serialMark  = "# trial "
)

func marks() []string {
	return []string{controlMark, brokenMark, noisyMark, endsMark, siteMark, watcherMark, cacheMark, layoutMark, kernelMark, aboutMark, unitMark, runMark, serialMark}
}

// reserved reports whether a word begins comments that are no readings.
func reserved(word string) bool { return slices.Contains(marks(), "# "+word+": ") }

// oneLine puts text on one line, runs of white space as one space.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// oneReason is oneLine for what must not become empty: an empty reason would
// turn a broken trial into a good one.
func oneReason(text string) string {
	if text = oneLine(text); text == "" {
		return "no reason given"
	}
	return text
}
