package program

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// qemu names the emulators of programs where QEMU's names are not Go's.
var qemu = map[string]string{"386": "i386", "amd64": "x86_64", "arm64": "aarch64", "mips64le": "mips64el"}

// Each image is a valid file, and does what it should where it can be run.
func TestImages(t *testing.T) {
	for goarch, m := range machines {
		t.Run(goarch, func(t *testing.T) {
			data, ok := image(goarch)
			if !ok {
				t.Fatal("no image")
			}
			f, err := elf.NewFile(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			load := f.Progs[0]
			if f.Machine != m.machine || load.Memsz != uint64(len(data)) || f.Entry < load.Vaddr || f.Entry >= load.Vaddr+load.Memsz {
				t.Errorf("%+v loads %+v", f.FileHeader, load.ProgHeader)
			}
			path := filepath.Join(t.TempDir(), "true")
			if err := os.WriteFile(path, data, 0o755); err != nil {
				t.Fatal(err)
			}
			command := []string{path}
			if goarch != runtime.GOARCH {
				name := goarch
				if n := qemu[goarch]; n != "" {
					name = n
				}
				emulator, err := exec.LookPath("qemu-" + name)
				if err != nil {
					t.Logf("not run: %v", err)
					return
				}
				command = []string{emulator, "-strace", path}
			}
			out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
			if goarch != runtime.GOARCH && (!bytes.Contains(out, []byte("prctl(15,")) && !bytes.Contains(out, []byte("prctl(PR_SET_NAME")) || !bytes.Contains(out, []byte("exit(0)"))) {
				t.Errorf("it did %s", out)
			}
		})
	}
	if _, ok := image("pdp11"); ok {
		t.Error("there is an image for a pdp11")
	}
}

func TestFind(t *testing.T) {
	p, err := Find(OwnName)
	if err != nil || p.Name != OwnName || p.Note != "" {
		t.Errorf("own: %+v, %v", p, err)
	}
	p, err = Find("true")
	if name, sum, ok := strings.Cut(p.Name, "@"); err != nil || name != p.Path || !ok || len(sum) != 12 {
		t.Errorf("true: %+v, %v", p, err)
	}
	if p, err := Find("no-such-program"); err == nil {
		t.Errorf("found %+v", p)
	}
}
