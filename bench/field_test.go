package bench

import (
	"testing"
	"time"
)

func TestFieldValues(t *testing.T) {
	var (
		n     = 3
		ns    = []int{500, 1000}
		words = []string{"exec"}
		on    bool
		text  = "sleep 1"
		d     = time.Second
	)
	values := map[string]Value{
		"number": Int(&n, 1, 10), "numbers": Ints(&ns, 0, 2000), "words": Words(&words, "exec", "clone"),
		"on": Bool(&on), "text": Text(&text, "command"), "duration": Duration(&d, time.Millisecond),
	}
	for name, want := range map[string][2]string{
		"number": {"number", "3"}, "numbers": {"list", "500,1000"}, "words": {"list", "exec"},
		"on": {"bool", "false"}, "text": {"command", "sleep 1"}, "duration": {"duration", "1s"},
	} {
		if got := [2]string{values[name].Type(), values[name].String()}; got != want {
			t.Errorf("%s: type and default are %q, want %q", name, got, want)
		}
	}
	for _, tt := range []struct{ field, set, want, err string }{
		{"number", "10", "10", ""},
		{"number", " 1 ", "1", ""},
		{"number", "0", "", "0 is out of range: want 1 to 10"},
		{"number", "11", "", "11 is out of range: want 1 to 10"},
		{"number", "99999999999999999999", "", "99999999999999999999 is out of range: want 1 to 10"},
		{"number", "-99999999999999999999", "", "-99999999999999999999 is out of range: want 1 to 10"},
		{"number", "1.5", "", `"1.5" is not a whole number`},
		{"number", "", "", `"" is not a whole number`},
		{"numbers", "7", "7", ""},
		{"numbers", "0,1,2", "0,1,2", ""},
		{"numbers", "1, 2", "1,2", ""},
		{"numbers", "", "", ""},
		{"numbers", "1,,2", "", `"" is not a whole number`},
		{"numbers", "5,3,5", "", "5 is given twice"},
		{"numbers", "5,05", "", "5 is given twice"},
		{"numbers", "5,2001", "", "2001 is out of range: want 0 to 2000"},
		{"words", "clone,exec", "clone,exec", ""},
		{"words", "", "", ""},
		{"words", "fork", "", `unknown value "fork": want exec, clone`},
		{"words", "clone,clone", "", "clone is given twice"},
		{"on", "true", "true", ""},
		{"on", "perhaps", "", `"perhaps" is neither true nor false`},
		{"text", "a, b", "a, b", ""},
		{"duration", "100ms", "100ms", ""},
		{"duration", "10us", "", "10µs is too short: want 1ms or more"},
		{"duration", "-1s", "", "-1s is too short: want 1ms or more"},
		{"duration", "5", "", `"5" is not a duration such as 100ms`},
	} {
		v := values[tt.field]
		before := v.String()
		err := v.Set(tt.set)
		got := ""
		if err != nil {
			got, tt.want = err.Error(), before // what is refused changes nothing
		}
		if got != tt.err || v.String() != tt.want {
			t.Errorf("%s: %q gives %q and error %q, want %q and %q", tt.field, tt.set, v, got, tt.want, tt.err)
		}
	}
	if n != 1 || len(ns) != 0 || len(words) != 0 || !on || text != "a, b" || d != 100*time.Millisecond {
		t.Errorf("the variables are %v, %v, %v, %v, %q, %v", n, ns, words, on, text, d)
	}
}
