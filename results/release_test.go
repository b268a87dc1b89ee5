package results

import (
	"slices"
	"testing"
)

func TestCompareReleases(t *testing.T) {
	sorted := []string{"5.10.0-30-amd64", "5.10.0-130-amd64", "6.1.0-9-amd64", "6.12.107+deb12-amd64", "6.12.107+deb13-amd64", "6.12.107+deb13-rt-amd64", "7.3.4+deb13-amd64"}
	got := slices.Clone(sorted)
	slices.Reverse(got)
	slices.SortFunc(got, CompareReleases)
	if !slices.Equal(got, sorted) {
		t.Errorf("got %q", got)
	}
	if CompareReleases("6.1", "6.1") != 0 || CompareReleases("6.1", "6.1.1") >= 0 {
		t.Error("a prefix comes first")
	}
}

func TestFlavour(t *testing.T) {
	for release, want := range map[string]string{
		"6.1.0-56-rt-amd64": "rt-amd64", "6.12.107+deb13-amd64": "amd64", "6.12.107+deb13-arm64-16k": "arm64", "5.10.0-32-686-pae": "pae", "6.18.44": "",
	} {
		if got := Flavour(release); got != want {
			t.Errorf("%s: %q, want %q", release, got, want)
		}
	}
}
