package results

import (
	"crypto/rand"
	"errors"
	"strings"
)

// A Run is one run of the harness, which every trial of it names. So runs whose
// lines were mixed up on their way, as in the logs of a fleet, are told apart, and
// it shows if some are missing or there twice. In a file
//
//	# run K3XW: trials=80
type Run struct {
	ID     string // a word; "" if unknown, as in older files
	Trials uint64 // that were planned
}

func (r *Run) form() (*string, []field) { return &r.ID, []field{count("trials", &r.Trials)} }
func (r *Run) check() error             { return checkRunID(r.ID) }

// A Serial is a trial's number in its run. In a file
//
//	# trial K3XW: number=17
type Serial struct {
	Run    string
	Number uint64 // from 1; 0 if unknown
}

func (s *Serial) form() (*string, []field) { return &s.Run, []field{count("number", &s.Number)} }
func (s *Serial) check() error {
	if s.Number == 0 {
		return errors.New("want a number from 1")
	}
	return checkRunID(s.Run)
}

func checkRunID(id string) error {
	if id == "" {
		return errors.New("want the name of a run")
	}
	return nil
}

// NewRun names a run, differently from all others.
func NewRun(trials int) Run { return Run{ID: rand.Text()[:12], Trials: uint64(trials)} }

// A Part is what one run wrote, or, of older files, what stands between one header
// and the next.
type Part struct {
	Config []Param
	Facts  *Facts
	File   string // where it begins
	Line   int

	Read  int // trials of it that were read
	Again int // that were there once more, and were left out
	// Headless: nothing tells what its trials were measured on, so that they are
	// left out.
	Headless bool
	seen     map[uint64]bool
	frozen   bool // its configuration has ended
	closed   bool // its header has ended
}

// Short reports whether trials are missing that were planned: the run was
// interrupted, or its file cut short.
func (p *Part) Short() bool { return uint64(p.Read) < p.Facts.Run.Trials }

// take counts a trial, and reports whether it is one more than there were.
func (p *Part) take(number uint64) bool {
	if number > 0 {
		if p.seen[number] {
			p.Again++
			return false
		}
		if p.seen == nil {
			p.seen = make(map[uint64]bool)
		}
		p.seen[number] = true
	}
	p.Read++
	return !p.Headless
}

// endConfig ends the configuration of a run, so that nobody else's lines become part
// of it.
func (p *Part) endConfig() { p.frozen = p.frozen || p.Facts.Run.ID != "" && len(p.Config) > 0 }

// parts are those of the files that were read together.
type parts struct {
	all   []*Part
	runs  map[string]*Part
	*Part // that lines belong to
}

// begin begins a part: of a run, unless run is zero.
func (ps *parts) begin(run Run, config []Param, file string, line int) {
	if old := ps.runs[run.ID]; old != nil {
		ps.Part = old // the same once more: each trial will show it
		return
	}
	ps.Part = &Part{Config: config, Facts: &Facts{Run: run}, File: strings.Clone(file), Line: line}
	ps.all = append(ps.all, ps.Part)
	if run.ID != "" {
		ps.runs[run.ID] = ps.Part
	}
}
