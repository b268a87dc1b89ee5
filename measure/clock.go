package measure

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// Uptime returns how long the system has run, with what it slept (proc_uptime(5)).
func (fs FS) Uptime() (time.Duration, error) {
	path := fs.proc("uptime")
	data, err := readFile(path)
	if err != nil {
		return 0, err
	}
	first, _ := firstField(bytes.TrimSpace(data))
	seconds, err := strconv.ParseFloat(string(first), 64)
	if err != nil || !(seconds >= 0 && seconds < 1e9) {
		return 0, fmt.Errorf("%s: %w: want seconds, got %q", path, ErrMalformed, clip(data))
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// BootTime returns when the system was booted, to a second: btime of
// /proc/stat (proc_stat(5)).
func (fs FS) BootTime() (time.Time, error) {
	path := fs.proc("stat")
	data, err := readFile(path)
	if err != nil {
		return time.Time{}, err
	}
	seconds, ok, err := statField(data, "btime")
	if err == nil && !ok {
		err = fmt.Errorf("%w: no field btime", ErrMalformed)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", path, err)
	}
	return time.Unix(int64(seconds), 0), nil
}
