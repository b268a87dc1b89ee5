package measure

import (
	"errors"
	"testing"
)

func TestLoadavgOfKernels(t *testing.T) {
	for kernel, want := range map[string]Loadavg{"amd64-7.3": {254, 291}} {
		if l, err := after(kernel).Loadavg(); err != nil || l != want {
			t.Errorf("%s: %+v, %v", kernel, l, err)
		}
	}
	for _, text := range []string{"", "0 0 0 1/2", "0 0 0 12 5", "0 0 0 1/x 5", "0 0 0 1/2 -1"} {
		if l, err := parseLoadavg([]byte(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %+v, %v", text, l, err)
		}
	}
}

func FuzzParseTaskFiles(f *testing.F) {
	f.Add(statusText)
	f.Add("Max processes             100                  unlimited            processes \nMax open files 1 2 files\n")
	f.Add("0.00 0.00 0.00 2/54 91\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, errStatus := parseStatus([]byte(text))
		_, errLimits := parseLimits([]byte(text))
		_, errLoad := parseLoadavg([]byte(text))
		for _, err := range []error{errStatus, errLimits, errLoad} {
			if err != nil && !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
		}
	})
}
