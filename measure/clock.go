package measure

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// Uptime returns how long the system has run, with what it slept (proc_uptime(5)).
func (fs FS) Uptime() (time.Duration, error) {
	return parseFile(fs.proc("uptime"), func(data []byte) (time.Duration, error) {
		first, _ := firstField(bytes.TrimSpace(data))
		seconds, err := strconv.ParseFloat(string(first), 64)
		if err != nil || !(seconds >= 0 && seconds < 1e9) {
			return 0, fmt.Errorf("%w: want seconds, got %q", ErrMalformed, clip(data))
		}
		return time.Duration(seconds * float64(time.Second)), nil
	})
}

// BootTime returns when the system was booted, to a second: btime of
// /proc/stat (proc_stat(5)).
func (fs FS) BootTime() (time.Time, error) {
	seconds, err := readField(fs.proc("stat"), "btime")
	if err != nil {
		return time.Time{}, err
	}
	return time.Unix(int64(seconds), 0), nil
}
