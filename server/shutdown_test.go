package server_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/suparust/suparust/server"
)

// TestShutdownBeforeStart is a signal that comes before the start has begun:
// nothing may be started that nobody would stop.
func TestShutdownBeforeStart(t *testing.T) {
	t.Parallel()
	cfg := server.DefaultConfig()
	cfg.Ephemeral()
	s, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = s.Start(t.Context())
	if err == nil {
		t.Error("it starts after its Shutdown")
		_ = s.Cluster().Stop() // Shutdown was there before
	} else if !strings.Contains(err.Error(), "make a new one") {
		t.Error(err)
	}
}

// TestShutdownTogether asks for the end from several sides: each caller
// returns when nothing runs any more.
func TestShutdownTogether(t *testing.T) {
	t.Parallel()
	cfg := server.DefaultConfig()
	cfg.Ephemeral()
	s, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			if err := s.Shutdown(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
			select {
			case <-s.Cluster().Exited():
			default:
				t.Error("Shutdown returned while PostgreSQL ran")
			}
		})
	}
	callers.Wait()
}
