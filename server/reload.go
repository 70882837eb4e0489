package server

import (
	"context"
	"errors"
)

var errNotServing = errors.New("the server does not serve: start it first")

// ReloadSchema reads the schema, and the settings of REST that stand in the
// database, anew and returns when they are in force.
func (s *Server) ReloadSchema(ctx context.Context) error {
	if !s.serves() {
		return errNotServing
	}
	return s.rest.Reload(ctx)
}

// Reconfigure puts in force what may change while the server runs: c.REST with
// the settings of the database, the API keys and the keys of tokens, which are
// published anew, too. Where c
// has an error everything stays as it was.
func (s *Server) Reconfigure(ctx context.Context, c Config) error {
	if !s.serves() {
		return errNotServing
	}
	if err := c.validate(); err != nil {
		return err
	}
	secret, err := c.secretKeys()
	if err != nil {
		return err
	}
	keys, err := c.CompleteKeys()
	if err != nil {
		return err
	}
	if err := s.rest.Reconfigure(c.REST); err != nil {
		return err
	}
	c.Logger = s.cfg.Logger
	s.keysMu.Lock()
	defer s.keysMu.Unlock()
	if err := s.ring.set(&c, secret); err != nil {
		return err
	}
	if err := s.auth.SetKeys(s.ring.all); err != nil {
		return err
	}
	s.gateway.SetKeys(keys)
	s.keys = keys
	return s.rest.Reload(ctx)
}

func (s *Server) serves() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started && !s.stopped
}
