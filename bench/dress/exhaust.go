package dress

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"zombench/bench"
	"zombench/bench/daemon"
	"zombench/measure"
	"zombench/measure/limits"
	"zombench/results"
)

// Exhaust is the benchmark of a limit that dressed zombies meet.
const Exhaust = "Exhaust"

const (
	unitAtEDQUOT = "zombies-at-EDQUOT"
	unitRefused  = "bystanders-refused"
	unitRecovers = "dressed-after-reap"
)

const maxKeys = "kernel.keys.maxkeys"

// mostKeys is up to which limit the army is raised that meets it: the default is
// 200, and a user of some distributions has 20 000.
const mostKeys = 2000

func exhaustSetup() bench.Setup {
	return bench.Setup{
		Bench:  Exhaust,
		Params: []results.Param{{Key: "limit", Value: maxKeys}},
		About:  "zombies with a session keyring and a key in it each fill their user's " + maxKeys,
		Needs:  []bench.Need{bench.NeedRoot, bench.NeedCgroup},
		Army:   bench.Army{Zombies: mostKeys, Tasks: 2 * parallel},
		Run:    bench.Within(time.Minute, bench.Stepwise(runExhaust)),
	}
}

// withKey takes two keys. A session keyring alone would be refused to nobody who
// had none before: it counts, and may overrun (KEY_ALLOC_QUOTA_OVERRUN of
// security/keys/process_keys.c, install_session_keyring_to_cred).
const withKey = "keyring=1"

// runExhaust raises more zombies with a keyring than a user may have keys. It
// must end after exactly as many as there is room for, for a bystander of the
// same user too, and be well again after the reap.
func runExhaust(s *bench.Steps) {
	start := asUser(s)
	bystander := &army{name: "bystander", outfit: withKey}
	bystander.start(s, start, 1)
	room := roomForKeys(s, bystander)
	if room > mostKeys {
		s.Err = fmt.Errorf("%s is more than %d here: %w", maxKeys, mostKeys, measure.ErrNotSupported)
	}
	room /= 2
	many := &army{name: "army", outfit: withKey}
	many.start(s, start, room+10)
	roomForKeys(s, bystander)
	raised := s.Raise(many.daemon)
	s.Put(unitAtEDQUOT, float64(raised.Standing))
	s.Check(raised.Standing == room && strings.Contains(raised.Error, edquot), "it ended at %d zombies (%s); want %s at %d", raised.Standing, raised.Error, edquot, room)
	other := s.Raise(bystander.daemon)
	s.Check(other.Standing == 0 && strings.Contains(other.Error, edquot), "a bystander of the same user has its keyring beside %d zombies with one (%s)", raised.Standing, other.Error)
	s.Put(unitRefused, 1)
	s.Reap(many.daemon)
	s.Step(func() error {
		return s.Await(s.Ctx, "a bystander gets a keyring again", 20*time.Millisecond, func() (bool, error) {
			if _, err := bystander.daemon.Reap(s.Ctx, nil); err != nil {
				return false, err
			}
			other, err := bystander.daemon.Raise(s.Ctx, nil)
			return other.Standing == 1, err
		})
	})
	s.Put(unitRecovers, 1)
	s.Reap(bystander.daemon)
}

// roomForKeys waits until the keys of an army's user are collected, which those
// that were tried beforehand are by and by, and returns how many there may be.
func roomForKeys(s *bench.Steps, a *army) (room int) {
	s.Step(func() error {
		return s.Await(s.Ctx, "the user's keys are collected", 20*time.Millisecond, func() (bool, error) {
			l, err := keysOf(s.Site, a.daemon)
			room = int(min(l.Room(), mostKeys+1))
			return l.Used == 0, err
		})
	})
	return room
}

// edquot is how zombied tells of EDQUOT.
const edquot = "disk quota exceeded"

// keysOf reads the limit of keys of zombied's user.
func keysOf(s *bench.Site, d *daemon.Daemon) (limits.Limit, error) {
	all, err := limits.ReadDressed(s.Lab.FS, d.Pid())
	for _, l := range all {
		if l.Name == maxKeys {
			return l, nil
		}
	}
	return limits.Limit{}, fmt.Errorf("%s: %w", maxKeys, errors.Join(measure.ErrNotSupported, err))
}
