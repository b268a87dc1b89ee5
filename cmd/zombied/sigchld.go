package main

import (
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// What the daemon does when somebody sends it SIGCHLD by hand, as the classic
// advice on zombies has it: a parent that was written to wait for its children
// does so then, any other does nothing.
const (
	reapOnSIGCHLD = "reap"
	ignoreSIGCHLD = "ignore-it"
)

var sigchldAnswers = []string{reapOnSIGCHLD, ignoreSIGCHLD}

func checkSIGCHLD(answer string) error {
	if answer == reapOnSIGCHLD || answer == ignoreSIGCHLD {
		return nil
	}
	return usagef("--on-sigchld %q: want %s", answer, strings.Join(sigchldAnswers, " or "))
}

// receiveSIGCHLD starts to receive SIGCHLD, if it is to be answered. A nil
// channel never is.
//
// os/signal does not tell who has sent a signal (si_code). While the army is
// raised, deaths send none (see package army), and once it stands nobody dies:
// what comes then, was sent by hand. What came before is left from the warm-up
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
