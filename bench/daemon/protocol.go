package daemon

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A Phase is what zombied says it is doing.
type Phase string

// The phases, in the order in which a daemon passes through them.
const (
	Held     Phase = "held"     // all threads stand, no child was spawned
	Raising  Phase = "raising"  // spawning
	Standing Phase = "standing" // every child has been seen dead
	Reaping  Phase = "reaping"  // collecting
	Reaped   Phase = "reaped"   // no child is left
)

// A Report is what zombied last said of itself. Keys that a datagram does not
// carry keep their value from the one before.
type Report struct {
	Ready    bool          // READY=1 was seen
	Status   string        // for people
	Phase    Phase         //
	Standing int           // zombies standing
	Failed   int           // spawns that failed
	Threads  int           // tasks of the daemon itself
	Spawn    time.Duration // from the first spawn until the last child was seen dead
	Reap     time.Duration // from the order to reap until no child was left
	Error    string        // why fewer stand than were ordered; "" if all do
	Signals  uint64        // signals that zombied sent to children
	Exited   uint64        // children that ended by exit (CLD_EXITED)
	Killed   uint64        // children that a signal ended (CLD_KILLED)
	Dumped   uint64        // the same with a core dump (CLD_DUMPED)
}

// update takes one datagram into the report. Keys that are not known are left
// to newer harnesses.
func (r *Report) update(datagram string) error {
	for line := range strings.Lines(datagram) {
		key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok {
			continue
		}
		var err error
		switch key {
		case "READY":
			r.Ready = value == "1"
		case "STATUS":
			r.Status = value
		case "X_ZOMBENCH_PHASE":
			r.Phase = Phase(value)
			if r.Phase == Raising {
				r.Error = ""
			}
		case "X_ZOMBENCH_STANDING":
			r.Standing, err = strconv.Atoi(value)
		case "X_ZOMBENCH_FAILED":
			r.Failed, err = strconv.Atoi(value)
		case "X_ZOMBENCH_THREADS":
			r.Threads, err = strconv.Atoi(value)
		case "X_ZOMBENCH_SPAWN_NS":
			r.Spawn, err = nanoseconds(value)
		case "X_ZOMBENCH_REAP_NS":
			r.Reap, err = nanoseconds(value)
		case "X_ZOMBENCH_ERROR":
			r.Error = value
		case "X_ZOMBENCH_SIGNALS":
			r.Signals, err = strconv.ParseUint(value, 10, 64)
		case "X_ZOMBENCH_EXITED":
			r.Exited, err = strconv.ParseUint(value, 10, 64)
		case "X_ZOMBENCH_KILLED":
			r.Killed, err = strconv.ParseUint(value, 10, 64)
		case "X_ZOMBENCH_DUMPED":
			r.Dumped, err = strconv.ParseUint(value, 10, 64)
		}
		if err != nil {
			return fmt.Errorf("zombied's notification %q: %w", line, err)
		}
	}
	return nil
}

func nanoseconds(s string) (time.Duration, error) {
	ns, err := strconv.ParseInt(s, 10, 64)
	return time.Duration(ns), err
}

// A socket receives zombied's notifications. It is an abstract one (unix(7)),
// so that no file remains however the harness ends, and it takes datagrams
// from the daemon's own process only.
type socket struct {
	addr    string // for $NOTIFY_SOCKET, "@" standing for the zero byte
	conn    *net.UnixConn
	pid     atomic.Int64 // of the daemon; 0 while it is being started
	reports chan Report
}

func listen() (*socket, error) {
	var unguessable [8]byte
	rand.Read(unguessable[:])
	addr := fmt.Sprintf("@zombench-%d-%s", os.Getpid(), hex.EncodeToString(unguessable[:]))
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: addr, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		err2 := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
		})
		if err == nil {
			err = err2
		}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &socket{addr: addr, conn: conn, reports: make(chan Report, 16)}, nil
}

// accept starts reading reports of the process pid.
func (s *socket) accept(pid int) {
	s.pid.Store(int64(pid))
	go s.read()
}

// read hands every datagram on as the report as it then stands. Readers that
// do not keep up hold the daemon back, they miss nothing.
func (s *socket) read() {
	defer close(s.reports)
	var report Report
	buf := make([]byte, 4096)
	oob := make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	for {
		n, oobn, flags, _, err := s.conn.ReadMsgUnix(buf, oob)
		if err != nil {
			return // closed
		}
		if !sentBy(oob[:oobn], int32(s.pid.Load())) {
			continue
		}
		err = report.update(string(buf[:n]))
		if flags&unix.MSG_TRUNC != 0 {
			err = errors.New("zombied's notification is too long")
		}
		if err != nil {
			report.Error = err.Error()
		}
		s.reports <- report
	}
}

// sentBy reports whether the credentials that came with a datagram are pid's.
func sentBy(oob []byte, pid int32) bool {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return false
	}
	for i := range msgs {
		if cred, err := unix.ParseUnixCredentials(&msgs[i]); err == nil {
			return cred.Pid == pid
		}
	}
	return false
}

func (s *socket) close() {
	s.conn.Close()
	if s.pid.Load() == 0 {
		return // nobody reads
	}
	go func() { // release a reader that is stuck handing on a report
		for range s.reports {
		}
	}()
}
