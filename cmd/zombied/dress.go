package main

import (
	"errors"

	"zombench/cmd/zombied/internal/army"
	"zombench/cmd/zombied/internal/dress"
)

// newSpawner makes the way of starting children that was asked for.
func (d *daemon) newSpawner() (army.Spawner, error) {
	if d.options.dress == "" {
		return army.NewSpawner(d.options.spawn)
	}
	spawner, err := dress.NewSpawner(d.options.dress)
	if e, ok := errors.AsType[*dress.Error](err); ok {
		switch {
		case e.Unsupported():
			err = &exitError{exitNoSuch, err}
		case e.Denied():
			err = &exitError{exitNotAllowed, err}
		}
	}
	if err != nil {
		return nil, err
	}
	d.dressed = spawner
	return spawner, nil
}

// undress removes what was made for the children.
func (d *daemon) undress() error {
	if d.dressed == nil {
		return nil
	}
	return d.dressed.Close()
}
