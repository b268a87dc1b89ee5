package results

import (
	"os/exec"
	"testing"
)

func TestCompareReleases(t *testing.T) {
	// In order; each pair of neighbours is also put to dpkg.
	sorted := []string{
		"5.10.0-9-amd64", "5.10.0-32-amd64", "5.10.0-130-amd64", "6.1.0-0.deb11.48-amd64", "6.1.0-50-amd64", "6.1.0-56-amd64", "6.12.95+deb12-amd64",
		"6.12.107+deb12-amd64", "6.12.107+deb13-amd64", "6.12.107+deb13-rt-amd64", "6.19.10+deb13-amd64", "7.2.13+deb14-amd64",
		"7.3.4-1~bpo13+1", "7.3.4-1", "7.3.4-1+b1", "7.3.10-1", "1:1.0-1",
	}
	_, err := exec.LookPath("dpkg")
	for i, a := range sorted {
		for j, b := range sorted {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := CompareReleases(a, b); got != want {
				t.Errorf("CompareReleases(%q, %q) = %d, want %d", a, b, got, want)
			}
		}
		if err == nil && i > 0 {
			if err := exec.Command("dpkg", "--compare-versions", sorted[i-1], "lt", a).Run(); err != nil {
				t.Errorf("dpkg says otherwise of %s and %s: %v", sorted[i-1], a, err)
			}
		}
	}
}

func TestFlavour(t *testing.T) {
	for release, want := range map[string]string{
		"5.10.0-30-amd64":          "amd64",
		"5.10.0-30-cloud-amd64":    "cloud-amd64",
		"6.1.0-0.deb11.48-amd64":   "amd64",
		"6.1.0-50-686-pae":         "686-pae",
		"6.12.107+deb13-arm64-16k": "arm64-16k",
		"6.12.107+deb13-16k-arm64": "16k-arm64",
		"6.19.10+deb13-686-pae":    "686-pae",
		"6.12.1-686-pae":           "686-pae",
		"6.8.5-301.fc40.x86_64":    "", // the name of the release, and no flavour
		"7.2.13+deb14-rt-amd64":    "rt-amd64",
		"7.3~rc2-amd64":            "amd64",
		"6.9.1":                    "",
		"6.18.44-fc-v669":          "fc-v669",
		"6.8.0-45-generic":         "generic",
		"5.14.0-427.el9.x86_64":    "", // the name of the release, and no flavour
	} {
		if got := Flavour(release); got != want {
			t.Errorf("%s: %q, want %q", release, got, want)
		}
	}
}
