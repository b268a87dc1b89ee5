package measure

import (
	"errors"
	"fmt"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"zombench/measure/measuretest"
)

func TestCPUModelOfKernels(t *testing.T) {
	for kernel, want := range map[string]string{
		"amd64-7.3":       "QEMU TCG CPU version 2.5+",
		"arm64-7.3-16k":   "implementer 0x41 part 0xd0c",
		"armhf-5.10":      "ARMv7 Processor rev 0 (v7l)",
		"mips64el-6.1":    "MIPS GENERIC QEMU V0.0 FPU V0.0",
		"ppc64el-7.2-64k": "POWER9 (architected), altivec supported",
		"riscv64-6.12":    "mvendorid 0x0 marchid 0x70216 mimpid 0x70216",
	} {
		if got := cpuModel(testdata(t, kernel, "cpuinfo")); got != want {
			t.Errorf("%s: %q, want %q", kernel, got, want)
		}
	}
	if got := cpuModel([]byte("nothing\n:\n")); got != "" {
		t.Errorf("%q out of nothing", got)
	}
}

func TestParseCPUs(t *testing.T) {
	for list, want := range map[string]string{"0": "[0]", "0-1": "[0 1]", "0-3,8,10-11": "[0 1 2 3 8 10 11]"} {
		if cpus, err := parseCPUs(list); fmt.Sprint(cpus) != want || err != nil {
			t.Errorf("%q: %v, %v", list, cpus, err)
		}
	}
	for _, list := range []string{"", "x", "3-1", "0-", "-1", "0,,1", "0-99999999"} {
		if n, err := parseCPUs(list); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v, %v; want ErrMalformed", list, n, err)
		}
	}
}

func TestOnlineCPUs(t *testing.T) {
	fs := FS{Sys: t.TempDir()}
	put := func(text string) {
		measuretest.Put(t, fs.Sys, map[string]string{"devices/system/cpu/online": text})
	}
	for text, want := range map[string]int{"0\n": 1, "0-3,5\n": 5, "1-2": 2} {
		put(text)
		if got, err := fs.OnlineCPUs(); err != nil || len(got) != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	put("3-1")
	if _, err := fs.OnlineCPUs(); !errors.Is(err, ErrMalformed) {
		t.Errorf("nonsense: %v", err)
	}
}

func TestMachine(t *testing.T) {
	m, err := Host().Machine()
	if err != nil {
		t.Fatal(err)
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	if want := unix.ByteSliceToString(u.Release[:]); m.Kernel != want || m.GOARCH != runtime.GOARCH {
		t.Errorf("%+v, want kernel %s", m, want)
	}
	if m.CPU == "" || m.CPUs < 1 || m.Possible < m.CPUs || m.PageSize < 4096 {
		t.Errorf("%+v", m)
	}
	online, err := Host().OnlineCPUs()
	if err != nil || len(online) != m.CPUs {
		t.Errorf("online %v, %v; want %d", online, err, m.CPUs)
	}
	if possible, err := Host().PossibleCPUs(); err != nil || len(possible) < len(online) {
		t.Errorf("possible %v, %v; want %v and perhaps more", possible, err, online)
	}
	if id, err := Host().BootID(); len(id) != 36 || err != nil {
		t.Errorf("boot id %q, %v", id, err)
	}
}

func FuzzCPUModel(f *testing.F) {
	f.Add("model name\t: x\nmodel name: y\n")
	f.Add("CPU part : 0xd0c\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range cpuModel([]byte(text)) {
			if r == '\n' || r == '\t' {
				t.Fatalf("more than a line out of %q", text)
			}
		}
	})
}
