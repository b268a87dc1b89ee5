package parent

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// A fakeClock goes on only when the waiting parent has nothing left to do.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) Sleep(d time.Duration, settled func() bool) {
	for !settled() {
		runtime.Gosched()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Real children, driven by pipes, in a time that is not: the figures are exact.
func TestWaitInOrder(t *testing.T) {
	for _, tt := range []struct {
		order string
		n     int
		want  float64
	}{
		{Fixed, 1, 0}, {Fixed, 2, 1}, {Fixed, 10, 45}, {Fixed, 25, 300},
		{AnyDead, 1, 0}, {AnyDead, 10, 0}, {AnyDead, 25, 0},
	} {
		got, err := WaitInOrder(&fakeClock{now: time.Unix(0, 0)}, tt.order, tt.n, time.Hour)
		if err != nil || got != tt.want {
			t.Errorf("%s of %d: %v zombie-steps, error %v; want %v", tt.order, tt.n, got, err, tt.want)
		}
	}
}

func TestWaitInOrderRefuses(t *testing.T) {
	for _, tt := range []struct {
		order string
		n     int
		step  time.Duration
	}{{"backwards", 10, time.Second}, {Fixed, 0, time.Second}, {Fixed, 10, 0}} {
		if _, err := WaitInOrder(systemClock{}, tt.order, tt.n, tt.step); err == nil {
			t.Errorf("%+v is accepted", tt)
		}
	}
}
