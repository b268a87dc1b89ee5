package limits

import "zombench/measure"

// A process is who it is to the limits that it meets.
type process struct {
	pid           int
	dir           string // in /proc
	uid           uint64 // real
	caps          uint64 // effective
	initialUserNS bool   // only there is uid 0 the superuser and do capabilities lift limits
	rlimits       measure.Rlimits
}

const (
	capSysAdmin    = 1 << 21
	capSysResource = 1 << 24
)

// exempt reports whether RLIMIT_NPROC does not bind.
func (p process) exempt() bool {
	return p.initialUserNS && (p.uid == 0 || p.caps&(capSysAdmin|capSysResource) != 0)
}

// asRoot puts sudo before a command unless the process is root.
func (p process) asRoot(command string) string {
	if p.uid == 0 {
		return command
	}
	return "sudo " + command
}

func identify(fs measure.FS, pid int) (process, error) {
	s, err := fs.Status(pid)
	if err != nil {
		return process{}, err
	}
	rlimits, err := fs.Rlimits(pid)
	if err != nil {
		return process{}, err
	}
	return process{
		pid: pid, dir: fs.PIDDir(pid), uid: s.UID, caps: s.CapEff,
		initialUserNS: fs.InitialUserNamespace(pid), rlimits: rlimits,
	}, nil
}
