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
