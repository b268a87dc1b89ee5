package main

import (
	"strings"
	"testing"

	"zombench/bench/memory"
)

func TestSet(t *testing.T) {
	for _, tt := range []struct {
		texts map[string]string
		fails string
	}{
		{map[string]string{"count": "7,22", "parallel": "3", "spawn": "clone"}, ""},
		{map[string]string{"count": "many"}, "count: "},
		{map[string]string{"count": "0"}, "count: "},
		{map[string]string{"size": "7"}, "size: "},
	} {
		e := memory.Experiment()
		err := e.Set(tt.texts)
		if tt.fails != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("%v: error %v, want %q", tt.texts, err, tt.fails)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range e.Fields {
			if want, ok := tt.texts[f.Name]; ok && f.Value.String() != want {
				t.Errorf("%s is %s, want %s", f.Name, f.Value.String(), want)
			}
		}
		if setups, err := e.Setups(); err != nil || len(setups) != 3 {
			t.Errorf("%d setups, %v; want two armies and a control", len(setups), err)
		}
	}
}
