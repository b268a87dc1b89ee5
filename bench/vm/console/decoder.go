package console

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// ErrNoEnd says that the console ended before the end frame came.
var ErrNoEnd = errors.New("no end marker on the console")

// A FrameError says that frames were lost or damaged on their way.
type FrameError struct{ Reason string }

func (e *FrameError) Error() string { return "damaged output on the console: " + e.Reason }

// A Result is what a guest's program printed, checked against the end frame.
type Result struct {
	Stdout []byte
	Stderr []byte // at most the last 64 KiB
	Status int    // exit status
}

const (
	maxLine   = 2 << 10  // longer console lines are cut, in bytes
	maxTail   = 200      // console lines kept for the error message
	maxStderr = 64 << 10 // bytes of standard error kept
)

var (
	frameRE = regexp.MustCompile(`<zb1:([boex]:(\d{1,9}):([A-Za-z0-9+/=]*)):([0-9a-f]{8})>`)

	// stampRE finds the begin of a kernel message (printk.time=1), with or
	// without the caller's id of CONFIG_PRINTK_CALLER.
	stampRE = regexp.MustCompile(`\[ *\d{1,10}\.\d{6}\](\[ *[TC]\d+\])? `)

	// escapeRE finds terminal control sequences, which firmware likes.
	escapeRE = regexp.MustCompile(`\x1b(\[[0-9;?=]*[A-Za-z]|[()][A-Z0-9]|[=>78cDEHMZ])`)
)

// A Decoder is the host's side. Write the console's bytes to it as they come
// and ask for the Result when Done is true or the console has ended. It is not
// safe for concurrent use.
type Decoder struct {
	stderr io.Writer // gets standard error as it comes; may be nil

	line []byte // begin of a line whose end has not come yet
	held string // begin of a frame that a kernel message cut

	next    int // number of the frame that comes next
	stdout  bytes.Buffer
	errTail []byte
	end     *trailer
	damage  string // first damage found

	tail     []string // last lines that are not ours
	panicked string   // first line of a kernel panic
	oom      string   // first line that reports too little memory
}

// NewDecoder returns a Decoder. The guest's standard error is passed on to
// stderr as it comes, unless that is nil; errors of that writer are ignored.
func NewDecoder(stderr io.Writer) *Decoder { return &Decoder{stderr: stderr} }

// Write takes the next bytes of the console. It never fails.
func (d *Decoder) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			d.line = append(d.line, p[:min(len(p), max(0, maxLine-len(d.line)))]...)
			break
		}
		d.line = append(d.line, p[:min(i, max(0, maxLine-len(d.line)))]...)
		d.takeLine()
		p = p[i+1:]
	}
	return n, nil
}

// Begun reports whether the begin frame has come: the guest's init runs.
func (d *Decoder) Begun() bool { return d.next > 0 }

// Done reports whether the end frame has come.
func (d *Decoder) Done() bool { return d.end != nil }

// Result ends the decoding and returns what the guest printed. The error is
// ErrNoEnd or a *FrameError, and then there is no Result.
func (d *Decoder) Result() (*Result, error) {
	if len(d.line) > 0 {
		d.takeLine()
	}
	if d.held != "" {
		d.scan(d.held)
		d.held = ""
	}
	if d.end == nil {
		if d.damage != "" {
			return nil, fmt.Errorf("%w: %w", ErrNoEnd, &FrameError{d.damage})
		}
		return nil, ErrNoEnd
	}
	if d.damage != "" {
		return nil, &FrameError{d.damage}
	}
	out := d.stdout.Bytes()
	switch {
	case d.end.Length != int64(len(out)):
		return nil, &FrameError{fmt.Sprintf("%d bytes of output instead of %d", len(out), d.end.Length)}
	case d.end.SHA256 != fmt.Sprintf("%x", sha256.Sum256(out)):
		return nil, &FrameError{"the checksum of the output does not match"}
	}
	return &Result{Stdout: out, Stderr: d.errTail, Status: d.end.Status}, nil
}

// takeLine handles the line that is complete.
func (d *Decoder) takeLine() {
	line := strings.ReplaceAll(string(d.line), "\r", "")
	d.line = d.line[:0]
	if strings.Contains(line, "\x1b") {
		line = escapeRE.ReplaceAllString(line, "")
	}
	// A kernel message is printed as one piece, wherever the program's output
	// stands at that moment; the rest of the program's line comes after it.
	if at := stampRE.FindStringIndex(line); at != nil {
		if head := line[:at[0]]; d.held != "" || strings.Contains(head, "<") {
			d.hold(d.held + head)
		} else {
			d.chatter(head)
		}
		d.chatter(line[at[0]:])
		return
	}
	line = d.held + line
	d.held = ""
	d.scan(line)
}

func (d *Decoder) hold(s string) {
	if len(s) > maxLine {
		d.scan(s)
		s = ""
	}
	d.held = s
}

// scan takes the frames out of a line; what remains is chatter.
func (d *Decoder) scan(line string) {
	rest := 0
	for _, m := range frameRE.FindAllStringSubmatchIndex(line, -1) {
		d.between(line[rest:m[0]])
		rest = m[1]
		body, seq, payload, sum := line[m[2]:m[3]], line[m[4]:m[5]], line[m[6]:m[7]], line[m[8]:m[9]]
		if fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body))) != sum {
			d.damaged("the checksum of a frame does not match: %.60s", line[m[0]:m[1]])
			continue
		}
		n, err := strconv.Atoi(seq)
		if err != nil {
			d.damaged("frame number %s", seq)
			continue
		}
		data, err := base64.StdEncoding.DecodeString(payload)
		if err != nil {
			d.damaged("frame %d: %v", n, err)
			continue
		}
		d.accept(body[0], n, data)
	}
	d.between(line[rest:])
}

// between takes the text around frames. The begin of a frame without its end
// is damage.
func (d *Decoder) between(text string) {
	if strings.Contains(text, "<zb1:") {
		d.damaged("part of a frame: %.60s", text)
	}
	d.chatter(text)
}

func (d *Decoder) accept(kind byte, seq int, data []byte) {
	switch {
	case d.end != nil:
		d.damaged("a frame after the end marker")
		return
	case seq != d.next:
		d.damaged("frame %d came instead of %d", seq, d.next)
		d.next = seq
	case (kind == kindBegin) != (seq == 0):
		d.damaged("begin marker out of place, at frame %d", seq)
	}
	d.next++
	switch kind {
	case kindStdout:
		d.stdout.Write(data)
	case kindStderr:
		d.errTail = append(d.errTail, data...)
		if cut := len(d.errTail) - maxStderr; cut > 0 {
			d.errTail = append(d.errTail[:0], d.errTail[cut:]...)
		}
		if d.stderr != nil {
			d.stderr.Write(data)
		}
	case kindEnd:
		var t trailer
		if err := json.Unmarshal(data, &t); err != nil {
			d.damaged("end marker: %v", err)
			return
		}
		if t.Frames != seq {
			d.damaged("the end marker counts %d frames and is frame %d itself", t.Frames, seq)
		}
		d.end = &t
	}
}

func (d *Decoder) damaged(format string, args ...any) {
	if d.damage == "" {
		d.damage = fmt.Sprintf(format, args...)
	}
}
