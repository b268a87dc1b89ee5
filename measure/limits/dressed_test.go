package limits

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zombench/measure"
)

func TestReadDressed(t *testing.T) {
	files := map[string]string{
		"self/status":                       status(1000, 3, 400, 400, "0") + "SigQ:\t7/31\n",
		"key-users":                         "    0:     9 8/8 3/1000000 40/25000000\n 1000:     5 4/4 150/200 9000/20000\n",
		"sys/kernel/keys/maxkeys":           "200\n",
		"sys/kernel/keys/maxbytes":          "20000\n",
		"sys/user/max_user_namespaces":      "64\n",
		"sys/user/max_pid_namespaces":       "65\n",
		"cgroup/a/cgroup.max.descendants":   "12\n",
		"cgroup/a/cgroup.stat":              "nr_descendants 4\nnr_dying_descendants 100\n",
		"cgroup/a/b/cgroup.max.descendants": "max\n",
		"cgroup/a/b/cgroup.stat":            "nr_descendants 0\n",
	}
	limits, err := ReadDressed(system(t, files), 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range limits {
		got = append(got, fmt.Sprintf("%s: %d of %d %s, unlimited %v; %s", l.Name, l.Used, l.Value, l.Unit, l.Unlimited, l.raise(500).Text))
		if l.Where == "" || !l.Binds {
			t.Errorf("%+v", l)
		}
	}
	want := []string{
		"kernel.keys.maxkeys: 150 of 200 keys, unlimited false; sysctl -w kernel.keys.maxkeys=500",
		"kernel.keys.maxbytes: 9000 of 20000 bytes of keys, unlimited false; sysctl -w kernel.keys.maxbytes=500",
		"RLIMIT_SIGPENDING: 7 of 31 queued signals, unlimited false; sudo prlimit --pid $$ --sigpending=500:500",
		"user.max_user_namespaces: 0 of 64 namespaces, unlimited false; sysctl -w user.max_user_namespaces=500",
		"user.max_pid_namespaces: 0 of 65 namespaces, unlimited false; sysctl -w user.max_pid_namespaces=500",
	}
	if diff := cmp.Diff(want, got[:min(len(got), len(want))]); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	if len(limits) != len(want)+2 {
		t.Fatalf("%d limits: %q", len(limits), got)
	}
	if l := limits[5]; !l.Unlimited || l.Used != 0 {
		t.Errorf("of its own cgroup: %+v", l)
	}
	if l := limits[6]; l.Value != 12 || l.Used != 4 || l.Unit != Cgroups { // the dying do not count
		t.Errorf("of the cgroup above: %+v", l)
	}
	// An army of plain zombies takes nothing of them.
	if err := (Query{Count: 1 << 20}).Check(limits); err != nil {
		t.Error(err)
	}
}

func TestReadDressedOfRoot(t *testing.T) {
	fs := system(t, map[string]string{
		"self/status":                   "Name:\tx\nUid:\t0\t0\t0\t0\nNSpid:\t1\nNSpgid:\t1\nNSsid:\t1\nThreads:\t1\nSigIgn:\t0\nSigCgt:\t0\nCapEff:\t1ffffffffff\nSigQ:\t4/99\n",
		"key-users":                     "    0:     9 8/8 3/1000000 40/25000000\n",
		"sys/kernel/keys/root_maxkeys":  "1000000\n",
		"sys/kernel/keys/root_maxbytes": "25000000\n",
	})
	limits, err := ReadDressed(fs, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(limits) < 2 || limits[0].Name != "kernel.keys.root_maxkeys" || limits[0].Used != 3 || limits[1].Used != 40 {
		t.Errorf("%+v", limits)
	}
}

func TestReadDressedErrors(t *testing.T) {
	base := map[string]string{
		"self/status": status(1000, 3, 400, 400, "0") + "SigQ:\t7/31\n",
		"key-users":   " 1000:     5 4/4 150/200 9000/20000\n", "sys/kernel/keys/maxkeys": "200\n", "sys/kernel/keys/maxbytes": "20000\n",
	}
	for name, text := range map[string]string{
		"self/status": status(1000, 3, 400, 400, "0") + "SigQ:\tmany\n",
		"key-users":   " 1000:     5 4/4 x/200 9000/20000\n",
	} {
		files := map[string]string{}
		for k, v := range base {
			files[k] = v
		}
		files[name] = text
		if _, err := ReadDressed(system(t, files), 0); !errors.Is(err, measure.ErrMalformed) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// What this kernel says fits together.
func TestReadDressedHere(t *testing.T) {
	limits, err := ReadDressed(measure.Host(), os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range limits {
		if !l.Unlimited && l.Used > l.Value {
			t.Errorf("%+v", l)
		}
	}
}
