package server

import (
	"context"
	"testing"

	"github.com/suparust/suparust/server/pg"
)

// A panic in the middle of a replacement leaves nobody waiting at the gate.
func TestGateOpensAfterPanic(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(s *Server, panics func(beforeStop func())){
		"stopped": func(s *Server, panics func(func())) {
			_, _ = s.stoppable(t.Context(), func(beforeStop func()) error {
				panics(beforeStop)
				return nil
			})
		},
		"replaced": func(s *Server, panics func(func())) {
			s.started, s.db = true, &database{cluster: &pg.Cluster{}}
			_ = s.replace(t.Context(), nil, nil, func(_ context.Context, beforeStop func()) error {
				panics(beforeStop)
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &Server{}
			func() {
				defer func() { _ = recover() }() // of the server that is not there
				do(s, func(beforeStop func()) { beforeStop() })
			}()
			gone, cancel := context.WithCancel(t.Context())
			cancel() // it waits for nothing
			if s.gate.enter(gone) == nil {
				t.Error("the gate is shut")
			}
		})
	}
}
