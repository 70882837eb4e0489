package server_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// serve starts a server that the test stops, at its end at the latest.
func serve(t *testing.T, c server.Config) (s *server.Server, stop func()) {
	t.Helper()
	s, err := server.New(c)
	if err == nil {
		err = s.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	stop = func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return s, stop
}

// service is a client of a server with its service key.
func service(s *server.Server) *suparusttest.Client {
	key := s.Keys().ServiceRoleKey
	return &suparusttest.Client{HTTP: &http.Client{Timeout: time.Minute}, URL: s.URL(), Header: http.Header{"Apikey": {key}, "Authorization": {"Bearer " + key}}}
}

func execSQL(t *testing.T, s *server.Server, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DatabaseURL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// querySQL runs a query that answers one text.
func querySQL(t *testing.T, s *server.Server, sql string) (answer string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DatabaseURL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return answer
}
