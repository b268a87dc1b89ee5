package main

import (
	"errors"

	"zombench/cmd/zombied/internal/army"
	"zombench/cmd/zombied/internal/dress"
	"zombench/cmd/zombied/internal/program"
)

// newSpawner makes the way of starting children that was asked for.
func (d *daemon) newSpawner() (army.Spawner, error) {
	if d.options.dress == "" {
		return army.NewSpawner(d.options.spawn, d.program)
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

// program finds what the children execute.
func (d *daemon) program() (string, error) {
	p, err := program.Find(d.options.program)
	if p.Note != "" {
		d.log.Warn(p.Note)
	}
	return p.Path, err
}

// undress removes what was made for the children.
func (d *daemon) undress() error {
	if d.dressed == nil {
		return nil
	}
	return d.dressed.Close()
}
