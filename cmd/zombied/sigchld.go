package main

import (
	"os"
	"os/signal"
	"syscall"
)

// What the daemon does when somebody sends it SIGCHLD by hand, which is the
// classic advice against zombies: a parent that was written to wait for its
// children does so then, any other does nothing.
const (
	reapOnSIGCHLD = "reap"
	ignoreSIGCHLD = "ignore-it"
)

// receiveSIGCHLD starts to receive SIGCHLD, if that is to do anything; otherwise
// it returns a nil channel.
//
// os/signal does not say who has sent a signal (si_code). While the army is
// raised, deaths send none (see package army), and once it stands no child dies:
// what comes then was sent by hand. What came before is left from the warm-up
// and must be forgotten, see forgetSIGCHLD.
func receiveSIGCHLD(answer string) chan os.Signal {
	if answer != reapOnSIGCHLD {
		return nil
	}
	received := make(chan os.Signal, 1)
	signal.Notify(received, syscall.SIGCHLD)
	return received
}

// forgetSIGCHLD forgets a signal that has come already.
func forgetSIGCHLD(received <-chan os.Signal) {
	select {
	case <-received:
	default:
	}
}
