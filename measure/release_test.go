package measure

import (
	"errors"
	"os"
	"testing"

	"zombench/measure/measuretest"
)

func TestReleaseAtLeast(t *testing.T) {
	for _, tt := range []struct {
		release      Release
		major, minor int
		want         bool
	}{
		{"6.18.44", 6, 14, true}, {"6.14-rc1", 6, 14, true}, {"6.13.9-1-amd64", 6, 14, false},
		{"7.0.0", 6, 14, true}, {"5.19.1", 6, 1, false}, {"6.1", 5, 19, true},
		{"", 6, 14, true}, {"next", 6, 14, true}, {"6", 6, 14, true},
	} {
		if got := tt.release.AtLeast(tt.major, tt.minor); got != tt.want {
			t.Errorf("%q is at least %d.%d: %v, want %v", tt.release, tt.major, tt.minor, got, tt.want)
		}
	}
}

func TestSysctl(t *testing.T) {
	fs := FS{Proc: t.TempDir()}
	measuretest.Put(t, fs.Proc, map[string]string{
		"sys/kernel/osrelease": "6.1.0-9-amd64\n", "sys/kernel/pid_max": "32768\n", "sys/net/ipv4/conf/eth0.1/mtu": "9\n",
		"secret": "x\n",
	})
	if r, err := fs.Release(); r != "6.1.0-9-amd64" || err != nil {
		t.Error(r, err)
	}
	if n, err := fs.SysctlUint("kernel.pid_max"); n != 32768 || err != nil {
		t.Error(n, err)
	}
	if v, err := fs.Sysctl("net/ipv4/conf/eth0.1/mtu"); v != "9" || err != nil {
		t.Error(v, err)
	}
	if _, err := fs.SysctlUint("kernel.osrelease"); !errors.Is(err, ErrMalformed) {
		t.Errorf("no number: %v", err)
	}
	for _, name := range []string{"", "../secret", "/etc/passwd"} {
		if _, err := fs.Sysctl(name); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v, want ErrMalformed", name, err)
		}
		if err := fs.SetSysctl(name, "1"); !errors.Is(err, ErrMalformed) {
			t.Errorf("set %q: %v, want ErrMalformed", name, err)
		}
	}
	if err := fs.SetSysctl("kernel.pid_max", "65536"); err != nil {
		t.Error(err)
	}
	if n, err := fs.SysctlUint("kernel.pid_max"); n != 65536 || err != nil {
		t.Error(n, err)
	}
	if err := fs.SetSysctl("kernel.none", "1"); !errors.Is(err, ErrNotSupported) {
		t.Errorf("%v, want ErrNotSupported", err)
	}
	if _, err := os.Stat(fs.proc("sys", "kernel", "none")); err == nil {
		t.Error("a sysctl was made that the kernel does not have")
	}
}
