package debian

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestListIsUnpackedOnce: what a list says of kernels is kept until apt has
// another list.
func TestListIsUnpackedOnce(t *testing.T) {
	if _, err := os.Stat("/usr/lib/apt/apt-helper"); err != nil {
		t.Skip("no apt here")
	}
	r := &Repo{dir: t.TempDir()}
	list := filepath.Join(r.dir, "Packages")
	read := func(content string, at time.Time) string {
		t.Helper()
		if err := os.WriteFile(list, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(list, at, at); err != nil {
			t.Fatal(err)
		}
		byName := make(map[string]*Offer)
		if err := r.readIndex(t.Context(), index{pair{"sid", "amd64"}, list}, byName); err != nil {
			t.Fatal(err)
		}
		var names []string
		for name := range byName {
			names = append(names, name)
		}
		return strings.Join(names, " ")
	}
	const first, second = "Package: linux-image-6.1.0-1-amd64\nVersion: 1\n", "Package: linux-image-6.1.0-2-amd64\nVersion: 1\n"
	now := time.Now()
	for _, tt := range []struct {
		content string
		at      time.Time
		want    string
	}{
		{first, now, "amd64-6.1.0-1"},
		{second, now, "amd64-6.1.0-1"}, // not looked into
		{second, now.Add(-time.Hour), "amd64-6.1.0-2"},
	} {
		if got := read(tt.content, tt.at); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	if err := os.Truncate(r.aptDir("kernels", "Packages.json"), 10); err != nil { // as by a crash
		t.Fatal(err)
	}
	if got := read(second, now.Add(-time.Hour)); got != "amd64-6.1.0-2" {
		t.Errorf("with half of a summary: got %q", got)
	}
	os.Remove(list)
	if err := r.readIndex(t.Context(), index{pair{"sid", "amd64"}, list}, nil); err == nil {
		t.Error("a list that is not there was read")
	}
}
