package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// guest returns the console of a guest that prints stdout and stderr.
func guest(t testing.TB, stdout, stderr string, status int) string {
	t.Helper()
	var b strings.Builder
	w, err := NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w.Stdout(), stdout); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w.Stderr(), stderr); err != nil {
		t.Fatal(err)
	}
	if err := w.End(status); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const firmware = "SeaBIOS (version 1.16.2-debian-1.16.2-1)\r\n\x1b[2J\x1b[1;1HBooting from ROM..\r\n[    0.000000] Linux version 6.1\r\n"

func TestDecoder(t *testing.T) {
	long := strings.Repeat("BenchmarkZombies/count=500 500 9600000 kmem-B/1000zombies\n", 40)
	plain := guest(t, long, "progress\n", 3)
	lines := strings.SplitAfter(plain, "\n")
	const printk = "[   12.345678] clocksource: timekeeping watchdog\r\n"

	for _, tt := range []struct {
		name    string
		console string
		want    string // a part of the error; "" for success
		noEnd   bool
	}{
		{name: "plain", console: plain},
		{name: "firmware and CR", console: firmware + strings.ReplaceAll(plain, "\n", "\r\n")},
		{name: "printk between", console: strings.Join(lines, printk)},
		{name: "printk in the middle", console: plain[:100] + printk + plain[100:]},
		{name: "three printks in the middle", console: plain[:100] + printk + printk + plain[100:110] + printk + plain[110:]},
		{name: "printk in a marker", console: strings.Replace(plain, "<zb1:o:2", "<z"+printk+"b1:o:2", 1)},
		{name: "printk with caller", console: plain[:100] + "[    1.000001][    T1] x\n" + plain[100:]},
		{name: "no newline at the end", console: strings.TrimSuffix(plain, "\n")},
		{name: "oops afterwards", console: plain + "[    9.999999] reboot: Power down\r\n"},

		{name: "empty", console: "", noEnd: true, want: "no end marker"},
		{name: "cut short", console: strings.Join(lines[:5], ""), noEnd: true, want: "no end marker"},
		{name: "cut in the end marker", console: plain[:len(plain)-9], noEnd: true, want: "no end marker"},
		{name: "line lost", console: strings.Join(append(append([]string(nil), lines[:4]...), lines[5:]...), ""), want: "came instead of"},
		{name: "line twice", console: strings.Join(lines[:4], "") + strings.Join(lines[3:], ""), want: "came instead of"},
		{name: "lines swapped", console: strings.Join(lines[:3], "") + lines[4] + lines[3] + strings.Join(lines[5:], ""), want: "came instead of"},
		{name: "begin lost", console: strings.Join(lines[2:], ""), want: "came instead of"},
		{name: "byte flipped", console: strings.Replace(plain, "o:2:Q", "o:2:R", 1) + strings.Replace(plain, "o:2:", "o:2:R", 1), want: "damaged"},
		{name: "byte lost", console: plain[:150] + plain[151:], want: "damaged"},
		{name: "text without stamp in the middle", console: plain[:100] + "usb 1-1: new device\n" + plain[100:], want: "part of a frame"},
		{name: "started twice", console: strings.Join(lines[:4], "") + plain, want: "came instead of"},
		{name: "wrong length", console: forged(t, trailer{Frames: 1, Length: 5}), want: "0 bytes of output instead of 5"},
		{name: "wrong checksum", console: forged(t, trailer{Frames: 1, SHA256: "00"}), want: "checksum of the output"},
		{name: "wrong count", console: forged(t, trailer{Frames: 7}), want: "counts 7 frames"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDecoder(nil)
			io.WriteString(d, tt.console)
			res, err := d.Result()
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("got error %v, want one with %q", err, tt.want)
				}
				if errors.Is(err, ErrNoEnd) != tt.noEnd {
					t.Errorf("errors.Is(%v, ErrNoEnd) = %v", err, !tt.noEnd)
				}
				if res != nil {
					t.Errorf("a result besides the error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if string(res.Stdout) != long || string(res.Stderr) != "progress\n" || res.Status != 3 {
				t.Errorf("got %d bytes, %q, status %d", len(res.Stdout), res.Stderr, res.Status)
			}
		})
	}
}

// forged returns the console of a guest that lies in its end marker.
func forged(t *testing.T, end trailer) string {
	t.Helper()
	return fmt.Sprintf("%s\n%s\n", frame(kindBegin, 0, nil), frame(kindEnd, 1, fmt.Appendf(nil,
		`{"frames":%d,"length":%d,"sha256":%q}`, end.Frames, end.Length, end.SHA256)))
}

func TestDecoderPassesStderrOn(t *testing.T) {
	var live bytes.Buffer
	d := NewDecoder(&live)
	console := guest(t, "", "one\ntwo\n", 0)
	for i := range console { // byte by byte
		if d.Done() {
			break
		}
		io.WriteString(d, console[i:i+1])
	}
	if live.String() != "one\ntwo\n" || !d.Begun() || !d.Done() {
		t.Errorf("got %q, begun %v, done %v", live.String(), d.Begun(), d.Done())
	}
}

func TestDiagnose(t *testing.T) {
	for _, tt := range []struct{ file, panic, oom string }{
		{"exit", "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100", ""},
		{"noinit", "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)", ""},
		{"small", "Kernel panic - not syncing: System is deadlocked on memory", "Out of memory and no killable processes..."},
		{"pool", "Kernel panic - not syncing: bio: can't create integrity buf pool", "can't create integrity buf pool"},
		{"hang", "", ""},
	} {
		t.Run(tt.file, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join("testdata", tt.file+".console"))
			if err != nil {
				t.Fatal(err)
			}
			d := NewDecoder(nil)
			d.Write(b)
			if _, err := d.Result(); !errors.Is(err, ErrNoEnd) {
				t.Errorf("Result: %v", err)
			}
			if d.PanicMessage() != tt.panic {
				t.Errorf("PanicMessage() = %q, want %q", d.PanicMessage(), tt.panic)
			}
			if d.OutOfMemory() != tt.oom {
				t.Errorf("OutOfMemory() = %q, want %q", d.OutOfMemory(), tt.oom)
			}
			if tail := d.Tail(10); len(tail) == 0 || len(tail) > 10 || strings.ContainsAny(strings.Join(tail, ""), "\r\n\x1b") {
				t.Errorf("Tail(10) = %q", tail)
			}
		})
	}
}

func TestTailIsBounded(t *testing.T) {
	d := NewDecoder(nil)
	for i := range 1000 {
		fmt.Fprintf(d, "line %d %s\n", i, strings.Repeat("x", 2*maxLine))
	}
	tail := d.Tail(10_000)
	if len(tail) != maxTail || !strings.HasPrefix(tail[maxTail-1], "line 999 ") {
		t.Errorf("%d lines, the last %.20q", len(tail), tail[len(tail)-1])
	}
	for _, l := range tail {
		if len(l) > maxLine {
			t.Fatalf("a line of %d bytes", len(l))
		}
	}
}

// FuzzDecoder: whatever comes over the console, a result is proven by its own
// checksums, and how the bytes are cut into writes does not matter.
func FuzzDecoder(f *testing.F) {
	plain := guest(f, "hello\n", "world\n", 1)
	f.Add([]byte(plain), uint16(7))
	f.Add([]byte(firmware+plain[:20]+"[    0.100000] x\n"+plain[20:]), uint16(1))
	f.Add([]byte("<zb1:b:0::00000000>\n"), uint16(3))
	f.Fuzz(func(t *testing.T, console []byte, cut uint16) {
		whole, parts := NewDecoder(nil), NewDecoder(nil)
		whole.Write(console)
		step := int(cut)%64 + 1
		for rest := console; len(rest) > 0; {
			n := min(step, len(rest))
			parts.Write(rest[:n])
			rest = rest[n:]
		}
		a, errA := whole.Result()
		b, errB := parts.Result()
		if (errA == nil) != (errB == nil) || (errA == nil && !bytes.Equal(a.Stdout, b.Stdout)) {
			t.Fatalf("cutting the console into writes changed the result: %v, %v", errA, errB)
		}
		if (a == nil) == (errA == nil) {
			t.Fatalf("result %v besides error %v", a, errA)
		}
	})
}

// FuzzInterleaved: kernel messages at any place of the output do no harm.
func FuzzInterleaved(f *testing.F) {
	f.Add("hello\n", int64(1), uint8(3))
	f.Add(strings.Repeat("0123456789", 100), int64(7), uint8(40))
	f.Fuzz(func(t *testing.T, output string, seed int64, messages uint8) {
		console := guest(t, output, "", 0)
		rnd := rand.New(rand.NewSource(seed))
		// From the back, so that no message lands in the middle of another.
		at := len(console)
		for range messages {
			at = rnd.Intn(at + 1)
			console = console[:at] + fmt.Sprintf("[%5d.%06d] message <%d>\r\n", rnd.Intn(100), rnd.Intn(1e6), seed) + console[at:]
			if at == 0 {
				break
			}
		}
		d := NewDecoder(nil)
		io.WriteString(d, console)
		res, err := d.Result()
		if err != nil {
			t.Fatal(err)
		}
		if string(res.Stdout) != output {
			t.Fatalf("got %q, want %q", res.Stdout, output)
		}
	})
}
