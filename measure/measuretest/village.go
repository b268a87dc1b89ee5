package measuretest

import "strings"

// Village are the processes of a machine on which several leave zombies, 53 in
// all: a server with threads under the user's systemd, a container whose init
// does not reap, a stopped process, a name that a terminal would obey, parents
// that cannot be seen, and a thread group whose main thread alone has ended.
func Village() []Task {
	tasks := []Task{
		// A server with threads that handles SIGCHLD, under the user's systemd.
		{PID: 900, PPid: 1, Name: "systemd", State: 'S', Start: 90, Command: "/lib/systemd/systemd --user", Cgroup: "/user.slice/user-1000.slice/user@1000.service/init.scope", Signals: SIGCHLD("SigBlk", 2)},
		{PID: 1000, PPid: 900, Name: "server", State: 'S', Threads: 9, Start: 100, Command: "/usr/bin/server --port 80", Cgroup: "/user.slice/user-1000.slice/user@1000.service/server.service", Signals: SIGCHLD("SigCgt", 2)},
		// A container, its init, and a worker that does nothing about SIGCHLD.
		{PID: 2000, PPid: 1, Name: "containerd-shim", State: 'S', Start: 100, Command: "containerd-shim-runc-v2", Cgroup: "/system.slice/containerd.service", Signals: SIGCHLD("SigCgt", 2)},
		{PID: 2001, PPid: 2000, Name: "app", State: 'S', Start: 101, Command: "node app.js", Cgroup: "/box", NSpid: "2001\t1"},
		{PID: 2002, PPid: 2001, Name: "worker", State: 'S', Start: 102, Command: "worker", Cgroup: "/box", NSpid: "2002\t7"},
		// Stopped, and a thread group whose main thread alone has ended.
		{PID: 3000, PPid: 400, Name: "halted", State: 'T', Start: 100, Command: "halted", Cgroup: "/user.slice/user-1000.slice"},
		{PID: 3100, PPid: 400, Name: "half", State: 'Z', Threads: 4, Start: 100, Cgroup: "/user.slice/user-1000.slice"},
		// A name that a terminal would obey, and a parent in a container that came from outside of it.
		{PID: 4000, PPid: 400, Name: "evil", State: 'S', Start: 100, Command: "evil\x1b[31m\nname " + strings.Repeat("x", 90), Cgroup: "/a\tb", Signals: SIGCHLD("SigIgn", 2)},
		{PID: 5000, PPid: 400, Name: "entered", State: 'S', Start: 100, Command: "entered", Cgroup: "/box", NSpid: "5000\t9"},
		// Of the kernel, without a command line.
		{PID: 2, PPid: 0, Name: "kthreadd", State: 'S', Start: 1, Cgroup: "/"},
	}
	zombies := func(from, n, ppid, start int) {
		for i := range n {
			tasks = append(tasks, Task{PID: from + i, PPid: ppid, Name: "true", State: 'Z', Start: start - i})
		}
	}
	zombies(10000, 30, 1000, 99_000_000)
	zombies(11000, 7, 2001, 50_000_000)
	zombies(12000, 7, 2002, 99_999_000)
	zombies(13000, 2, 3000, 10_000)
	zombies(14000, 1, 4000, 100_000_000)
	zombies(15000, 1, 5000, 99_990_000)
	zombies(16000, 3, 0, 99_990_000)
	zombies(17000, 1, 2, 99_990_000)
	zombies(18000, 1, 999_999, 99_990_000) // its parent has just ended
	return tasks
}
