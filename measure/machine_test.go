package measure

import (
	"errors"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
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

func TestCountCPUs(t *testing.T) {
	for list, want := range map[string]int{"0": 1, "0-1": 2, "0-3,8,10-11": 7} {
		if n, err := countCPUs(list); n != want || err != nil {
			t.Errorf("%q: %d, %v", list, n, err)
		}
	}
	for _, list := range []string{"", "x", "3-1", "0-", "-1", "0,,1", "0-99999999"} {
		if n, err := countCPUs(list); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %d, %v; want ErrMalformed", list, n, err)
		}
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
	if m.CPU == "" || m.CPUs < 1 || m.PageSize < 4096 {
		t.Errorf("%+v", m)
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
