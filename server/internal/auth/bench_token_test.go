package auth_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/auth/password"
)

// refreshToken is the one in an answer.
func refreshToken(answer []byte) string {
	_, rest, _ := bytes.Cut(answer, []byte(`"refresh_token":"`))
	return string(rest[:min(12, len(rest))])
}

// BenchmarkRefresh is the refresh of tokens by eight clients, each with a
// session of its own. The bare SQL is the reading and locking of the rows, and
// then, in a second round trip, what is written and the end of the
// transaction: no fewer will do, as the one decides about the other.
func BenchmarkRefresh(b *testing.B) {
	const clients = 8
	f := start(b, nil)
	tokens := make([]string, clients)
	for i := range tokens {
		tokens[i] = f.signUp(b, fmt.Sprintf("bench%d@example.com", i)).refresh
	}
	statements := map[string]string{
		"begin": "begin", "commit": "commit", "lock": query(b, "user", "refresh_lock"), "write": query(b, "refresh_write"),
		"audit": query(b, "insert_audits"),
	}
	conns := make([]bare, clients)
	for i := range conns {
		conns[i] = f.bare(b, statements)
	}
	bare := f.best(b, clients, 2000, func(i int) error {
		rows, err := conns[i].run(step{"begin", nil}, step{"lock", []string{tokens[i]}})
		if err != nil {
			return err
		}
		if len(rows) != 1 {
			return errors.New("no such token")
		}
		row, ids := rows[0], conns[i].ids["lock"]
		user, session, id := string(row[ids[0]]), string(row[ids[1]]), string(row[ids[2]])
		now, child := time.Now().UTC().Format(time.RFC3339Nano), strings.ToLower(rand.Text()[:12])
		entry := func(action string) string {
			return fmt.Sprintf(`{"id":"%s","payload":{"action":"%s","actor_id":"%s","actor_username":"bench@example.com","actor_via_sso":false,`+
				`"log_type":"token"},"created_at":"%s","ip":""}`, newUUID(), action, user, now)
		}
		_, err = conns[i].run(
			step{"write", []string{session, user, id, child, now, "", "127.0.0.1", strings.TrimSuffix(now, "Z")}},
			step{"audit", []string{"[" + entry("token_refreshed") + "," + entry("token_revoked") + "]"}}, step{"commit", nil})
		tokens[i] = child
		return err
	})
	c := f.dial(b, clients)
	_, got := f.measure(b, clients, func(i int) error {
		answer, err := answered(c[i], f.raw("POST", "/token?grant_type=refresh_token", "", `{"refresh_token":"`+tokens[i]+`"}`))
		if err == nil {
			tokens[i] = refreshToken(answer)
		}
		return err
	})
	withinSQL(b, got, bare, 2.5)
}

func newUUID() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:])
	return fmt.Sprintf("%x", raw)
}

// signIns is a password sign-in again and again.
func (f *fixture) signIns(b *testing.B, clients int) func(int) error {
	f.signUp(b, "bench@example.com")
	c := f.dial(b, clients)
	request := f.raw("POST", "/token?grant_type=password", "", `{"email":"bench@example.com","password":"`+goodPassword+`"}`)
	return func(i int) error { _, err := answered(c[i], request); return err }
}

// signUps is a sign-up of someone new each time.
func (f *fixture) signUps(b *testing.B, clients int) func(int) error {
	c := f.dial(b, clients)
	return func(i int) error {
		_, err := answered(c[i], f.raw("POST", "/signup", "", `{"email":"`+newUUID()+`@example.com","password":"`+goodPassword+`"}`))
		return err
	}
}

// BenchmarkFixtureSignIn is a sign-in and a sign-up with the cost of hashes
// that test fixtures have.
func BenchmarkFixtureSignIn(b *testing.B) {
	const limit = 3 * time.Millisecond
	for name, rounds := range map[string]func(*fixture, *testing.B, int) func(int) error{"SignIn": (*fixture).signIns, "SignUp": (*fixture).signUps} {
		f := start(b, nil)
		round := rounds(f, b, 1)
		b.Run(name, func(b *testing.B) {
			got, _ := f.measure(b, 1, round)
			if b.N >= 100 && got.Median > limit {
				b.Errorf("it takes %s, %s is the limit", got.Median, limit)
			}
		})
	}
}

func timed(b *testing.B, fn func() error) time.Duration {
	b.Helper()
	runtime.GC()
	begin := time.Now()
	if err := fn(); err != nil {
		b.Fatal(err)
	}
	return time.Since(begin)
}

// BenchmarkPassword is a sign-in and a sign-up with the cost of hashes that
// servers have, in turns with nothing but the hash: what they cost beyond it
// has a limit. Each begins on a heap that was just collected, so that neither
// pays for the memory of the other's hash.
func BenchmarkPassword(b *testing.B) {
	const limit = 2 * time.Millisecond
	hasher, err := password.New(password.DefaultCost(), 0)
	if err != nil {
		b.Fatal(err)
	}
	stored, err := hasher.Hash(b.Context(), goodPassword)
	if err != nil {
		b.Fatal(err)
	}
	for _, flow := range []struct {
		name   string
		rounds func(*fixture, *testing.B, int) func(int) error
		hash   func(b *testing.B) error
	}{
		{"SignIn", (*fixture).signIns, func(b *testing.B) error { _, _, err := hasher.Verify(b.Context(), stored, goodPassword); return err }},
		{"SignUp", (*fixture).signUps, func(b *testing.B) error { _, err := hasher.Hash(b.Context(), goodPassword); return err }},
	} {
		f := start(b, func(c *auth.Config) { c.Password.Cost = password.DefaultCost() })
		round := flow.rounds(f, b, 1)
		b.Run(flow.name, func(b *testing.B) {
			var whole, hashes []time.Duration
			for b.Loop() {
				whole = append(whole, timed(b, func() error { return round(0) }))
				hashes = append(hashes, timed(b, func() error { return flow.hash(b) }))
			}
			slices.Sort(whole)
			slices.Sort(hashes)
			hash := hashes[len(hashes)/2]
			more := whole[len(whole)/2] - hash
			b.ReportMetric(micro(hash)/1e3, "hash-ms")
			b.ReportMetric(micro(more)/1e3, "more-ms")
			if b.N >= 20 && more > limit {
				b.Errorf("it takes %s more than the hash of %s, %s is the limit", more, hash, limit)
			}
		})
	}
}
