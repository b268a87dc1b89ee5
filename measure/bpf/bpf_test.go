package bpf

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"zombench/measure"
)

func kernel(t *testing.T) *Types {
	t.Helper()
	types, err := Load(measure.Host())
	if errors.Is(err, measure.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return types
}

// What is missing is kept, so that no program is loaded with it.
func TestMissing(t *testing.T) {
	types := kernel(t)
	types.LoadMember(asm.R1, asm.R2, "task_struct.no_such_member")
	if err := types.Err(); !errors.Is(err, measure.ErrNotSupported) || !strings.Contains(err.Error(), "task_struct.no_such_member") {
		t.Error(err)
	}
	if _, err := types.NewTracepoint("x", "sched_process_fork", nil); !errors.Is(err, measure.ErrNotSupported) {
		t.Error(err)
	}
	if _, err := kernel(t).NewTracepoint("x", "no_such_tracepoint", nil); !errors.Is(err, measure.ErrNotSupported) {
		t.Error(err)
	}
}

// A program that the kernel refuses is neither missing nor forbidden, and the
// error says what it has against it.
func TestRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	p, err := kernel(t).NewTracepoint("bad", "sched_process_fork", asm.Instructions{asm.Mov.Reg(asm.R0, asm.R9), asm.Return()})
	if err == nil {
		p.Close()
		t.Fatal("it is loaded")
	}
	if errors.Is(err, measure.ErrNotSupported) || errors.Is(err, measure.ErrNotPermitted) {
		t.Errorf("%v is taken for another kind", err)
	}
	if !strings.Contains(err.Error(), "R9") {
		t.Errorf("%v does not say why", err)
	}
}

func TestClassify(t *testing.T) {
	for _, tt := range []struct{ err, want error }{
		{unix.EPERM, measure.ErrNotPermitted},
		{unix.ENOSYS, measure.ErrNotSupported}, {unix.ENOENT, measure.ErrNotSupported}, {ebpf.ErrNotSupported, measure.ErrNotSupported},
		{unix.EINVAL, unix.EINVAL}, {unix.EACCES, unix.EACCES}, {unix.ENOMEM, unix.ENOMEM},
	} {
		if got := Classify(tt.err); !errors.Is(got, tt.want) || tt.err == tt.want && got != tt.err {
			t.Errorf("%v: %v", tt.err, got)
		}
	}
}

// What the kernel has against a program is the last line before its statistics, and
// before all that Linux 7.3 explains besides.
func TestLastLine(t *testing.T) {
	const statistics = "processed 1 insns (limit 1000000) max_states_per_insn 0\n\x00\x00"
	for _, tt := range []struct{ log, want string }{
		{"0: (bf) r0 = r9\nR9 !read_ok\n" + statistics, "R9 !read_ok"},
		{"0: (bf) r0 = r9\nR9 !read_ok\n\nVerification failed: Register Type Safety: Unreadable register\n\nReason:\n  R9 has never been initialized\n\n" + statistics, "R9 !read_ok"},
		{statistics, ""},
		{"\x00", ""},
	} {
		if got := lastLine([]byte(tt.log)); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.log, got, tt.want)
		}
	}
}
