package results

import (
	"fmt"
	"net/url"
	"time"
)

// A Watcher is a program that looked at zombies: it read what is below
// /proc/PID of them. In a file it is a comment of the form
//
//	# watcher top: pid=4242 processes=1 looks=24 every-ns=500000000 objects=4608 bytes=442368
type Watcher struct {
	Command   string        // as the kernel keeps it: 15 bytes
	PID       uint64        // 0 if there were several processes
	Processes uint64        // of that command that looked
	Looks     uint64        // walks over the zombies
	Every     time.Duration // median time from one look to the next; 0 if there was one
	Objects   uint64        // dentries, inodes and their blobs that were left when it was done
	Bytes     uint64        // of these
}

func (w Watcher) check() error {
	if w.Command == "" || w.Looks == 0 || w.Every < 0 {
		return fmt.Errorf("watcher %+v: want a command and how often it looked", w)
	}
	return nil
}

func (w Watcher) text() string {
	return fmt.Sprintf("%s: pid=%d processes=%d looks=%d every-ns=%d objects=%d bytes=%d",
		escape(w.Command), w.PID, w.Processes, w.Looks, w.Every.Nanoseconds(), w.Objects, w.Bytes)
}

func parseWatcher(text string) (w Watcher, ok bool, err error) {
	name, pairs, ok := cutFields(text)
	if !ok {
		return Watcher{}, false, nil
	}
	var every uint64
	err = pairs.parse(map[string]func(string) error{
		"pid": into(&w.PID), "processes": into(&w.Processes), "looks": into(&w.Looks),
		"every-ns": into(&every), "objects": into(&w.Objects), "bytes": into(&w.Bytes),
	})
	if err == nil {
		w.Command, err = url.PathUnescape(name)
	}
	w.Every = time.Duration(every)
	if err == nil {
		err = w.check()
	}
	return w, err == nil, err
}
