package report

import (
	"encoding/json"
	"maps"
	"reflect"

	"zombench/results"
	"zombench/results/ledger"
	"zombench/results/stats"
)

// An object is one of JSON. Numbers that there are none of (an interval of too few
// trials, a floor without controls) are null.
type object map[string]any

// and adds what is not empty.
func (o object) and(more object) object {
	maps.DeleteFunc(more, func(_ string, v any) bool {
		r := reflect.ValueOf(v)
		return !r.IsValid() || r.IsZero() || (r.Kind() == reflect.Map || r.Kind() == reflect.Slice) && r.Len() == 0
	})
	maps.Copy(o, more)
	return o
}

// array makes an array, never null.
func array[T any](items []T, of func(T) object) []object {
	all := make([]object, 0, len(items))
	for _, item := range items {
		all = append(all, of(item))
	}
	return all
}

// reportData makes the data of a report when it is marshalled: it is large, and only
// JSON wants it. Values of trials stand as they stand in the file, cells and
// estimates say their unit.
type reportData struct{ *Report }

func (d reportData) MarshalJSON() ([]byte, error) {
	rows := []object{}
	for _, t := range d.Tables {
		rows = append(rows, array(t.Rows, t.data)...)
	}
	return json.Marshal(object{
		"per_zombies": d.Query.per(), "confidence": stats.Confidence,
		"summaries": array(d.Summaries, Summary.data), "trials": array(d.records, trialData),
		"table": rows, "comparisons": array(d.Comparisons, Comparison.data),
	})
}

func (s Summary) data() object {
	return object{
		"config": paramData(s.Labels), "sentence": s.Sentence(), "facts": s.Facts(), "trials": s.Trials, "controls": s.Controls,
		"estimates": array(s.Instruments, func(i stats.Instrument) object {
			base, _, _ := results.PerZombies(i.Unit)
			return estimateData(i.Estimate).and(object{"unit": i.Unit, "per_zombie_unit": base + "/zombie"})
		}),
	}.and(object{"slab_unit": s.SlabUnit, "broken": reasonCounts(s.Broken), "warnings": reasonCounts(s.Warnings), "ends": endsData(s.Ends)})
}

func estimateData(e stats.Estimate) object {
	o := object{"per_zombie": finite(e.PerZombie), "lo": finite(e.Lo), "hi": finite(e.Hi), "method": "slope", "intercept": finite(e.Intercept),
		"counts": e.Counts, "trials": e.Trials, "noise_floor": knownFloor(e.Floor), "controls": e.Controls, "below_noise": !e.AboveNoise()}
	if e.OneCount {
		o["method"], o["intercept"] = "median of one count", nil
	}
	return o
}

func (t BenchTable) data(r BenchRow) object {
	cells := []object{}
	for _, u := range t.Units {
		if c, ok := r.Cells[u.Name]; ok {
			cells = append(cells, cellData(u.Name, c))
		}
	}
	return object{"bench": t.Bench, "config": paramData(r.Config), "trials": r.Trials, "broken": r.Broken, "warnings": r.Warned, "cells": cells}.
		and(object{"about": r.About, "control": r.Control})
}

func cellData(unit string, c stats.Cell) object {
	return object{"unit": unit, "statistic": c.Method, "value": finite(c.Center), "lo": finite(c.Lo), "hi": finite(c.Hi),
		"confidence": c.Confidence, "n": c.N, "noise_floor": knownFloor(c.Floor), "below_noise": c.BelowNoise}.and(object{"warnings": texts(c.Warnings)})
}

func (c Comparison) data() object {
	rows := array(c.Rows, func(row ComparedRow) object {
		key := make(map[string]string)
		for i, k := range c.Keys {
			key[k] = row.Key[i]
		}
		cells := make([]object, len(row.Cells)) // null where nothing was measured
		for i, cell := range row.Cells {
			if cell != nil {
				cells[i] = cellData(c.Unit, cell.Cell).and(object{"change": c.changeData(cell.Change)})
			}
		}
		return object{"key": key, "cells": cells}
	})
	return object{"unit": c.Unit, "columns": c.Cols, "rows": rows}.
		and(object{"of": paramData(c.Of), "columns_differ_in": c.Differs, "warnings": c.Warnings})
}

func (c Comparison) changeData(ch *Change) object {
	if ch == nil {
		return nil
	}
	return object{"base": c.Cols[0], "ratio": finite(ch.Ratio), "significant": ch.Significant(), "p": ch.P, "base_n": ch.N1}.
		and(object{"warnings": texts(ch.Warnings)})
}

func trialData(r results.Record) object {
	values := make(map[string]float64, len(r.Values))
	for _, v := range r.Values {
		values[v.Unit] = v.Value
	}
	return object{"file": r.File, "line": r.Line, "name": r.Name(), "bench": r.Bench, "config": paramData(r.Config), "params": paramData(r.Params), "n": r.N, "values": values}.
		and(object{"control": r.Control, "broken": r.Broken, "warnings": r.Warnings, "ends": endsData(r.Ends),
			"readings": array(r.Readings, readingData), "call_sites": array(r.Sites, siteData), "watchers": array(r.Watchers, watcherData)})
}

func readingData(r results.Reading) object {
	counters, caches := make(map[string]uint64), make(map[string][2]uint64)
	for _, c := range r.Counters {
		counters[c.Name] = c.Value
	}
	for _, c := range r.Caches {
		caches[c.Name] = [2]uint64{c.Objects, c.Slabs}
	}
	return object{"when": r.When, "counters": counters}.and(object{"caches": caches})
}

func siteData(s results.CallSite) object {
	return object{"function": s.Function, "caches": s.Caches, "requested_bytes": s.Requested, "allocated_bytes": s.Allocated,
		"accounted": s.Accounted, "objects": s.Objects}
}

func watcherData(w results.Watcher) object {
	return object{"command": w.Command, "pid": w.PID, "processes": w.Processes, "looks": w.Looks, "every_ns": w.Every.Nanoseconds(),
		"objects": w.Objects, "bytes": w.Bytes}
}

func endsData(e results.Ends) object {
	if !e.Known {
		return nil
	}
	return object{"signals": e.Signals, "exited": e.Exited, "killed": e.Killed, "dumped": e.Dumped}
}

func paramData(list []results.Param) map[string]string {
	m := make(map[string]string, len(list))
	for _, p := range list {
		m[p.Key] = p.Value
	}
	return m
}

func reasonCounts(reasons []stats.Reason) map[string]int {
	m := make(map[string]int)
	for _, r := range reasons {
		m[r.Text] = r.Count
	}
	return m
}

func knownFloor(v float64) *float64 {
	if v < 0 {
		return nil
	}
	return finite(v)
}

// ledgerData is the data of ledgers.
func ledgerData(all []*ledger.Ledger) object {
	return object{"ledgers": array(all, func(l *ledger.Ledger) object {
		return object{"config": paramData(l.Labels), "counts": l.Counts, "trials": l.Trials, "controls": l.Controls, "unlisted_caches": l.Unlisted,
			"caches": array(l.Caches, cacheData), "whose_bytes": whoseData(l.Whose()), "steps": array(l.Steps, stepData), "adds_up": len(l.Unexplained()) == 0}.
			and(object{"broken": l.Broken, "warnings": l.Warnings, "followed_zombies": l.Followed, "call_sites": array(l.Sites, siteData)}).
			and(object{"traced_zombies": l.Traced, "watchers": array(l.Watchers, func(w ledger.Watcher) object {
				return watcherData(w.Watcher).and(object{"share": w.Share})
			})})
	})}
}

func cacheData(c ledger.Cache) object {
	return object{"name": c.Name, "aliases": c.Aliases, "role": c.Role, "objects": estimateData(c.Objects), "pages_bytes": estimateData(c.Pages),
		"object_bytes": c.Size, "objects_per_slab": c.PerSlab, "order": c.Order, "slab_bytes": c.SlabBytes, "bytes": c.Bytes(), "whose_bytes": whoseData(c.Whose())}.
		and(object{"used_bytes": c.Used, "unaccounted": c.Unaccounted, "use": c.Use})
}

func whoseData(w ledger.Whose) object {
	return object{"grew": w.Sum(), "zombie": w.Zombies, "watchers": w.Watchers, "others": w.Others}
}

func stepData(s ledger.Step) object {
	o := object{"name": s.Name, "kind": s.Kind, "bytes": s.Bytes}.and(object{"limit_percent": s.Limit, "below_noise": s.BelowNoise(), "source": s.Source})
	if e := s.Estimate; e != nil {
		o.and(object{"lo": finite(e.Lo), "hi": finite(e.Hi)})
		o["intercept_bytes"], o["unexplained_bytes"], o["unexplained_percent"] = finite(e.Intercept), finite(s.Rest), finite(s.Percent())
	}
	return o
}
