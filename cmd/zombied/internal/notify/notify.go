// Package notify reports to a service manager, or to whoever else started the
// daemon, what the daemon is doing: the sd_notify protocol, newline-separated KEY=VALUE datagrams
// on the socket that $NOTIFY_SOCKET names (sd_notify(3)).
//
// One socket is opened once and kept. The usual libraries open one for each
// message; a socket is an inode, a dentry and a sock, and this daemon's
// messages fall between two measurements of kernel memory.
package notify

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// patience is how long a message may wait for a receiver that does not read.
// The daemon has better things to do, such as to end when it is told to.
const patience = 200 * time.Millisecond

// A Socket sends messages. A nil Socket sends none: nobody asked for them.
type Socket struct {
	conn    *net.UnixConn
	backlog []string // posted, and not yet taken by the receiver
}

// FromEnv connects to the socket that $NOTIFY_SOCKET names (a path, or an
// abstract name after @) and removes the variable, so that no child speaks in
// the daemon's name. Without the variable it returns nil and no error.
func FromEnv() (*Socket, error) {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil, nil
	}
	os.Unsetenv("NOTIFY_SOCKET")
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("connecting to $NOTIFY_SOCKET: %w", err)
	}
	return &Socket{conn: conn}, nil
}

// Send sends one message of KEY=VALUE lines, which a receiver that does not
// read will miss: then the error is os.ErrDeadlineExceeded.
func (s *Socket) Send(lines ...string) error {
	if s == nil {
		return nil
	}
	if err := s.Flush(); err != nil {
		return err // it would overtake what was posted before it
	}
	return s.write(strings.Join(lines, "\n"))
}

// Post sends a message that must not be missed: while the receiver does not
// read it is kept, and goes out in its turn by Flush or the next message.
func (s *Socket) Post(lines ...string) error {
	if s == nil {
		return nil
	}
	s.backlog = append(s.backlog, strings.Join(lines, "\n"))
	return s.Flush()
}

// Flush sends what was posted and could not be sent yet.
func (s *Socket) Flush() error {
	if s == nil {
		return nil
	}
	for len(s.backlog) > 0 {
		err := s.write(s.backlog[0])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		s.backlog = s.backlog[1:]
		if err != nil {
			return err // nobody is there any more
		}
	}
	return nil
}

func (s *Socket) write(message string) error {
	_ = s.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := s.conn.Write([]byte(message)); err != nil {
		return fmt.Errorf("writing to $NOTIFY_SOCKET: %w", err)
	}
	return nil
}
