package dress

import (
	"context"
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
		Run:    runExhaust,
	}
}

// withKey takes two keys. A session keyring alone would be refused to nobody who
// had none before: it counts, and may overrun (KEY_ALLOC_QUOTA_OVERRUN of
// security/keys/process_keys.c, install_session_keyring_to_cred).
const withKey = "keyring=1"

// runExhaust raises more zombies with a keyring than a user may have keys. It
// must end after exactly as many as there is room for, for a bystander of the
// same user too, and be well again after the reap.
func runExhaust(ctx context.Context, s *bench.Site) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, fmt.Errorf("the trial was given up after a minute"))
	defer cancel()
	start, err := asUser(s)
	if err != nil {
		return err
	}
	bystander := &army{name: "bystander", outfit: withKey}
	if err := bystander.start(ctx, s, start, 1); err != nil {
		return err
	}
	room, err := roomForKeys(ctx, s, bystander.daemon)
	if err != nil {
		return err
	}
	if room > mostKeys {
		return fmt.Errorf("%s is more than %d here: %w", maxKeys, mostKeys, measure.ErrNotSupported)
	}
	room /= 2
	many := &army{name: "army", outfit: withKey}
	if err := many.start(ctx, s, start, room+10); err != nil {
		return err
	}
	if _, err := roomForKeys(ctx, s, bystander.daemon); err != nil {
		return err
	}
	raised, err := s.Raise(ctx, many.daemon)
	if err != nil {
		return err
	}
	s.Put(unitAtEDQUOT, float64(raised.Standing))
	if raised.Standing != room || !strings.Contains(raised.Error, edquot) {
		return bench.Brokenf("it ended at %d zombies (%s); want %s at %d", raised.Standing, raised.Error, edquot, room)
	}
	other, err := s.Raise(ctx, bystander.daemon)
	if err != nil {
		return err
	}
	if other.Standing != 0 || !strings.Contains(other.Error, edquot) {
		return bench.Brokenf("a bystander of the same user has its keyring beside %d zombies with one (%s)", raised.Standing, other.Error)
	}
	s.Put(unitRefused, 1)
	if _, err := s.Reap(ctx, many.daemon); err != nil {
		return err
	}
	err = s.Await(ctx, "a bystander gets a keyring again", 20*time.Millisecond, func() (bool, error) {
		if _, err := bystander.daemon.Reap(ctx, nil); err != nil {
			return false, err
		}
		other, err := bystander.daemon.Raise(ctx, nil)
		return other.Standing == 1, err
	})
	if err != nil {
		return err
	}
	s.Put(unitRecovers, 1)
	_, err = s.Reap(ctx, bystander.daemon)
	return err
}

// roomForKeys waits until the keys of zombied's user are collected, which those
// that were tried beforehand are by and by, and returns how many there may be.
func roomForKeys(ctx context.Context, s *bench.Site, d *daemon.Daemon) (room int, err error) {
	err = s.Await(ctx, "the user's keys are collected", 20*time.Millisecond, func() (bool, error) {
		l, err := keysOf(s, d)
		room = int(min(l.Room(), mostKeys+1))
		return l.Used == 0, err
	})
	return room, err
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
