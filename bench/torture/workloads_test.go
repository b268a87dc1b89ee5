package torture

import (
	"os/exec"
	"strings"
)

// A workload is a command line of zombench, small enough to end by itself within
// some seconds; those that are interrupted may be of any length.
type workload struct {
	name  string
	args  string // behind zombench; ZOMBIED is the daemon's path
	needs string // programs on PATH
}

// workloads are runs of every experiment, and what else starts processes.
var workloads = []workload{
	{"memory", "run --count 100,300 --parallel 1,20 --samples 20", ""},
	{"memory-clone", "run --count 20000 --parallel 1 --spawn clone --samples 3", ""},
	{"memory-pidns", "run --count 100 --parallel 2 --pidns 0,2 --samples 20", ""},
	{"memory-raise", "run --count 40000 --parallel 1 --spawn clone --samples 1 --raise-limits", ""},
	{"reaping", "run reaping --count 100 --children 4 --step 50ms --stand 200ms --samples 3", ""},
	{"spawning", "run spawning --count 2000 --sizes 1000 --samples 2", ""},
	{"dress", "run dress --count 20 --dress setsid,threads,keyring,userns,pidns,cgroup,grave,pending=20 --bench Dress --samples 3", ""},
	{"drag", "run drag --count 300 --rounds 2 --samples 1", ""},
	{"watchers", "run watchers --watch 3s --samples 2", ""},
	{"callsites", "run callsites --samples 3", ""},
	{"foreign", "run --still 100ms --samples 10 --daemon", "sh"}, // its command is a word of its own: see command
	{"inits", "run inits --burst 100 --samples 2", "tini"},
	{"kernels", "kernels run amd64-newest --source ../.. --count 100,200 --samples 2 --jobs 1", "qemu-system-x86_64 go"},
}

// able reports whether the programs are here that a workload needs.
func (w workload) able() bool {
	for _, program := range strings.Fields(w.needs) {
		if _, err := exec.LookPath(program); err != nil {
			return false
		}
	}
	return true
}

// command returns the arguments of zombench. Results go to the file out; for
// kernels that is a directory.
func (w workload) command(zombied, lock, out string) []string {
	args := strings.Fields(w.args)
	if w.name == "foreign" {
		args = append(args, zombied+" start --foreground --force --count 50")
	}
	if args[0] == "run" {
		args = append(args, "--zombied", zombied, "--lock", lock)
	}
	return append(args, "-o", out)
}
