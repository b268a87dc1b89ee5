// Package guest is pid 1 of a virtual machine of package vm. It prepares a bare
// kernel (file systems, cgroup controllers, limits), runs one program with its
// output framed for the host (package console), and powers the machine off.
//
// In flows a Config, which the host has put into the initramfs (vm.GuestFiles);
// out flow the program's output and exit status. It is an init for one short
// run and not for anything else: it keeps no services, and whatever goes wrong,
// it says so on the console and ends the machine.
package guest

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"zombench/bench/vm/console"
)

// Where pid 1 finds itself and its Config.
const (
	InitPath   = "/init"
	ConfigPath = "/guest.json"
)

// StatusSetup is the exit status with which a guest ends whose init could not
// prepare the machine or start the program.
const StatusSetup = 125

// A Config is what the guest is to run.
type Config struct {
	Args []string `json:"args"`          // the program's path in the guest, and its arguments
	Env  []string `json:"env,omitempty"` // added to PATH, HOME and TERM
	Dir  string   `json:"dir,omitempty"` // working directory; "" is /
}

// IsInit reports whether this process is the init of a guest.
func IsInit() bool { return os.Getpid() == 1 && len(os.Args) > 0 && os.Args[0] == InitPath }

// Main is the guest's whole life. It does not return.
func Main() {
	status, err := live()
	if err != nil {
		// Without a console there is only the kernel's log.
		if kmsg, e := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0); e == nil {
			fmt.Fprintf(kmsg, "<2>init: %v\n", err)
			kmsg.Close()
		}
	}
	powerOff()
	os.Exit(status) // as pid 1: a kernel panic, which the host understands
}

// live runs the guest; err is for what could not be told on the console.
func live() (status int, err error) {
	if err := mountDev(); err != nil {
		return StatusSetup, err
	}
	// The descriptors that the kernel gave may lead nowhere: open it anew.
	tty, err := os.OpenFile("/dev/console", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return StatusSetup, fmt.Errorf("opening the console: %w", err)
	}
	out, err := console.NewWriter(tty)
	if err != nil {
		return StatusSetup, err
	}
	status, err = prepareAndRun(out)
	if err != nil {
		fmt.Fprintf(out.Stderr(), "guest: %v\n", err)
	}
	if err := out.End(status); err != nil {
		return status, err
	}
	// tcdrain(3): what is still in the driver is lost when the power goes.
	if err := unix.IoctlSetInt(int(tty.Fd()), unix.TCSBRK, 1); err != nil {
		return status, fmt.Errorf("draining the console: %w", err)
	}
	return status, nil
}

func prepareAndRun(out *console.Writer) (int, error) {
	b, err := os.ReadFile(ConfigPath)
	if err != nil {
		return StatusSetup, err
	}
	var c Config
	if err := json.Unmarshal(b, &c); err != nil {
		return StatusSetup, fmt.Errorf("%s: %w", ConfigPath, err)
	}
	if len(c.Args) == 0 {
		return StatusSetup, fmt.Errorf("%s names no program", ConfigPath)
	}
	if err := prepare(out.Stderr()); err != nil {
		return StatusSetup, err
	}
	return run(c, out.Stdout(), out.Stderr())
}

// powerOff ends the machine. QEMU's malta cannot be powered off, but resets,
// and QEMU runs with -no-reboot.
func powerOff() {
	how := unix.LINUX_REBOOT_CMD_POWER_OFF
	if runtime.GOARCH == "mips64le" {
		how = unix.LINUX_REBOOT_CMD_RESTART
	}
	unix.Sync()
	unix.Reboot(how)
}
