package report

// Doc makes the document: the answer, the comparison and the pictures, the
// tables, and what the answer of each system rests on.
func (r *Report) Doc() Doc {
	d := Doc{Title: "What zombies cost", Data: reportData{r}, Notes: r.Notes}
	var systems []Section
	switch {
	case len(r.Summaries) == 1:
		d.Facts = append([]string{r.Summaries[0].Sentence()}, r.Summaries[0].Facts()...)
	case len(r.Summaries) > 1:
		if h := headline(r.Summaries); h != "" {
			d.Facts = []string{h}
		}
		for _, s := range r.Summaries {
			systems = append(systems, Section{Facts: append([]string{s.Sentence()}, r.evidence(s)...)})
		}
	default:
		d.Title = "Benchmarks"
		if text := r.overview(); text != "" {
			d.Facts = []string{text}
		}
	}
	d.Facts = append(r.fleetSentences(), d.Facts...)
	for _, c := range r.Comparisons {
		d.Sections = append(d.Sections, c.section(r.Query.Medians))
	}
	if !r.Query.compares() {
		d.Sections = append(d.Sections, estimates(r.Query, r.Summaries)...)
		d.Sections = append(d.Sections, r.Options()...)
	}
	if figures := r.figures(); len(figures) > 0 {
		d.Sections = append(d.Sections, Section{Figures: figures})
	}
	for _, t := range r.Tables {
		d.Sections = append(d.Sections, t.section())
		if s, ok := t.growthSection(r.units); ok {
			d.Sections = append(d.Sections, s)
		}
	}
	d.Sections = append(d.Sections, systems...)
	return d
}

// evidence is what is said below the sentence of one system among others: all of
// it in a report of everything, and only what is flagged in a comparison.
func (r *Report) evidence(s Summary) []string {
	if r.Query.compares() {
		return s.flagFacts()
	}
	return s.Facts()
}
