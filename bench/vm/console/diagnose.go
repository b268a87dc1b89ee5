package console

import (
	"regexp"
	"strings"
)

var (
	// panicRE: kernel/panic.c.
	panicRE = regexp.MustCompile(`Kernel panic - not syncing.*`)

	// memoryRE: what kernels print when the guest's memory is too small:
	// init/initramfs.c, lib/decompress_*.c, mm/oom_kill.c, block/bio.c, and the boot code
	// of the architectures.
	memoryRE = regexp.MustCompile(`(?i)(out of memory|initramfs unpacking failed: write error|oom-kill|system is deadlocked on memory|(not enough|insufficient|low) memory|cannot find place for new ramdisk|cannot allocate memory|page allocation failure|failed to allocate|can't (create|allocate) [a-z ]*(pool|bios)|disabling initrd|initrd extends beyond end of memory).*`)
)

// chatter takes console text that is not a frame.
func (d *Decoder) chatter(text string) {
	text = strings.TrimRight(printable(text), " ")
	if text == "" {
		return
	}
	if d.panicked == "" {
		d.panicked = panicRE.FindString(text)
	}
	if d.oom == "" {
		d.oom = memoryRE.FindString(text)
	}
	d.tail = append(d.tail, text)
	if len(d.tail) > 2*maxTail {
		d.tail = append(d.tail[:0], d.tail[maxTail:]...)
	}
}

// printable replaces what would upset a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r < ' ' || r == 0x7f || r == '\uFFFD':
			return -1
		}
		return r
	}, s)
}

// PanicMessage returns the kernel's own sentence about why it panicked, "" if it
// did not.
func (d *Decoder) PanicMessage() string { return d.panicked }

// OutOfMemory returns the first console line that reports too little memory, ""
// if there was none.
func (d *Decoder) OutOfMemory() string { return d.oom }

// Tail returns the last n console lines (fewer if there are no more) that are
// not frames: at most 200.
func (d *Decoder) Tail(n int) []string {
	n = min(n, maxTail, len(d.tail))
	return append([]string(nil), d.tail[len(d.tail)-n:]...)
}
