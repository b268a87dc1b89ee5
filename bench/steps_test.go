package bench

import (
	"context"
	"errors"
	"testing"
	"time"
)

// From its first error on a trial takes no step and keeps nothing.
func TestStepsKeepTheFirstError(t *testing.T) {
	first := errors.New("first")
	taken := 0
	step := func(err error) func() error { return func() error { taken++; return err } }
	site := &Site{}
	err := Stepwise(func(s *Steps) {
		s.Step(step(nil))
		s.Check(true, "nothing is wrong")
		s.Put("a", 1)
		s.Note("a")
		s.Step(step(first))
		s.Step(step(errors.New("second")))
		s.Check(false, "third")
		s.Put("b", 1)
		s.Note("b")
		if s.WaitFor(time.Hour, time.Hour, func() (bool, error) { taken++; return true, nil }) {
			t.Error("something holds that nobody looked at")
		}
		s.Sleep(time.Hour)
	})(t.Context(), site)
	if err != first || taken != 2 || len(site.Result.Values) != 1 || len(site.Result.Notes) != 1 {
		t.Errorf("error %v after %d steps; kept %v and %q", err, taken, site.Result.Values, site.Result.Notes)
	}
}

func TestStepsCheck(t *testing.T) {
	err := Stepwise(func(s *Steps) { s.Check(1 > 2, "%d is no more than %d", 1, 2) })(t.Context(), &Site{})
	if broken, ok := errors.AsType[*brokenError](err); !ok || broken.why != "1 is no more than 2" {
		t.Errorf("error %v, want that the trial is broken", err)
	}
}

func TestStepsWaitFor(t *testing.T) {
	wrong := errors.New("wrong")
	ended, end := context.WithCancel(t.Context())
	end()
	for _, tt := range []struct {
		name     string
		ctx      context.Context
		patience time.Duration
		holds    func(look int) (bool, error)
		held     bool
		err      error
	}{
		{"at once", t.Context(), time.Hour, func(int) (bool, error) { return true, nil }, true, nil},
		{"at the third look", t.Context(), time.Hour, func(look int) (bool, error) { return look == 3, nil }, true, nil},
		{"never", t.Context(), time.Microsecond, func(int) (bool, error) { return false, nil }, false, nil},
		{"cannot be told", t.Context(), time.Hour, func(int) (bool, error) { return false, wrong }, false, wrong},
		{"interrupted", ended, time.Hour, func(int) (bool, error) { return false, nil }, false, context.Canceled},
	} {
		s, look := &Steps{Site: &Site{}, Ctx: tt.ctx}, 0
		held := s.WaitFor(tt.patience, time.Microsecond, func() (bool, error) { look++; return tt.holds(look) })
		if held != tt.held || !errors.Is(s.Err, tt.err) {
			t.Errorf("%s: %v, %v; want %v, %v", tt.name, held, s.Err, tt.held, tt.err)
		}
	}
}
