package cmd

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/joho/godotenv"

	"github.com/suparust/suparust/server"
)

// configured is what a server is configured with by an environment file, and the notes about it.
func configured(t *testing.T, text string) (server.Config, []string) {
	t.Helper()
	env, err := godotenv.Unmarshal(text)
	if err != nil {
		t.Fatal(err)
	}
	var notes []string
	c := server.DefaultConfig()
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	if err := c.FromEnv(lookup, func(n server.Note) { notes = append(notes, n.Text) }, slices.Collect(maps.Keys(env))...); err != nil {
		t.Fatal(err)
	}
	return c, notes
}

// TestTestServersDoNotMeet: both files configure servers that share nothing, in their own style, with the keys that
// their clients' files have.
func TestTestServersDoNotMeet(t *testing.T) {
	t.Parallel()
	servers, err := testServers(53001)
	if err != nil {
		t.Fatal(err)
	}
	taken := map[any]string{}
	for _, s := range servers {
		c, notes := configured(t, s.environ())
		if len(notes) > 0 != (s.profile == "supabase.test") {
			t.Errorf("%s: the notes about shared names are %q", s.file(), notes)
		}
		for what, value := range map[string]any{"API port": c.Port, "database port": c.Database.Port, "mail port": c.Mail.Port,
			"data directory": c.Database.DataDir, "storage root": c.Storage.Root, "secret": c.Keys.JWTSecret} {
			if other, ok := taken[value]; ok {
				t.Errorf("%s: the %s %v is %s", s.file(), what, value, other)
			}
			taken[value] = "the " + what + " of " + s.file()
		}
		if c.BindAddr != "127.0.0.1" || c.Mail.SMTPPort != 0 {
			t.Errorf("%s: bound to %s, SMTP on %d", s.file(), c.BindAddr, c.Mail.SMTPPort)
		}
		keys, err := c.CompleteKeys()
		if err != nil {
			t.Fatal(err)
		}
		client, err := godotenv.Unmarshal(s.clientEnviron())
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"SUPABASE_ANON_KEY": keys.AnonKey, "SUPABASE_SERVICE_ROLE_KEY": keys.ServiceRoleKey,
			"SUPABASE_PUBLISHABLE_KEY": keys.PublishableKey, "SUPABASE_SECRET_KEY": keys.SecretKey, "SUPABASE_JWT_SECRET": keys.JWTSecret} {
			if client[name] != want {
				t.Errorf("%s of %s is not the server's", name, s.clientFile())
			}
		}
	}
	if servers[0].port != 53001 || servers[1].port != 53002 {
		t.Errorf("ports %d and %d", servers[0].port, servers[1].port)
	}
}

// TestPlaceIsAllOrNothing: a file in the way leaves no others behind.
func TestPlaceIsAllOrNothing(t *testing.T) {
	t.Parallel()
	for _, inTheWay := range []string{".env.test", ".env.supabase.test.client"} {
		base := t.TempDir()
		if err := os.WriteFile(filepath.Join(base, inTheWay), []byte("A=1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		servers, err := testServers(53001)
		if err != nil {
			t.Fatal(err)
		}
		files, err := stage(base, servers)
		if err != nil {
			t.Fatal(err)
		}
		if err := files.place(); err == nil || !strings.Contains(err.Error(), inTheWay+" is there already") {
			t.Errorf("%s in the way: %v", inTheWay, err)
		}
		files.discard()
		entries, err := os.ReadDir(base)
		if err != nil || len(entries) != 1 {
			t.Errorf("left behind: %v, %v", entries, err)
		}
	}
}

// TestEnvTestAtOnce: of many processes that write the files at once one does, and what is there is of that one alone.
func TestEnvTestAtOnce(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	var wrote atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			servers, err := testServers(53001)
			if err != nil {
				t.Error(err)
				return
			}
			files, err := stage(base, servers)
			if err != nil {
				t.Error(err)
				return
			}
			defer files.discard()
			var taken usageError
			switch err := files.place(); {
			case err == nil:
				wrote.Add(1)
			case !errors.As(err, &taken):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if wrote.Load() != 1 {
		t.Errorf("%d wrote the files", wrote.Load())
	}
	secret := func(file, name string) string {
		env, err := godotenv.Read(filepath.Join(base, file))
		if err != nil {
			t.Fatal(err)
		}
		return env[name]
	}
	if a, b := secret(".env.test", "SUPARUST_JWT_SECRET"), secret(".env.test.client", "SUPABASE_JWT_SECRET"); a == "" || a != b {
		t.Errorf("the secrets of .env.test and its clients are %q and %q", a, b)
	}
	if a, b := secret(".env.supabase.test", "JWT_SECRET"), secret(".env.supabase.test.client", "SUPABASE_JWT_SECRET"); a == "" || a != b {
		t.Errorf("the secrets of .env.supabase.test and its clients are %q and %q", a, b)
	}
	entries, err := os.ReadDir(base)
	if err != nil || len(entries) != 4 {
		t.Errorf("there are %v, %v", entries, err)
	}
}
